"""The kinds of input. Each is a function that makes a case what it is."""

from . import artefacts, commands, data, judging, models, settings

KINDS = {
    **models.KINDS, **data.KINDS, **settings.KINDS, **commands.KINDS, **artefacts.KINDS, **judging.KINDS}
