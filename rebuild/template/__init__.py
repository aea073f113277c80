"""Go's text/template with Sprig's functions, bounded: `render` makes a text out of a template and values."""

from rebuild.template.budget import Limits
from rebuild.template.error import TemplateError
from rebuild.template.rendering import Output, Surroundings, render

__all__ = ["Limits", "Output", "Surroundings", "TemplateError", "render"]
