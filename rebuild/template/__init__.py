"""Go's text/template with Sprig's functions, bounded: `render` makes a text out of a template and values."""

from rebuild.template.budget import Limits
from rebuild.template.error import TemplateError
from rebuild.template.numbered import NumberedText
from rebuild.template.rendering import Surroundings, render

__all__ = ["Limits", "NumberedText", "Surroundings", "TemplateError", "render"]
