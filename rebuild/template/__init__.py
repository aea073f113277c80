"""Go's text/template with Sprig's functions, bounded: `render` makes a text out of a template and values."""

from rebuild.template.budget import Limits
from rebuild.template.error import TemplateError
from rebuild.template.numbered import NumberedText
from rebuild.template.rendering import ForNothing, Surroundings, render

__all__ = ["ForNothing", "Limits", "NumberedText", "Surroundings", "TemplateError", "render"]
