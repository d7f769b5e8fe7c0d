"""People join, confirm, choose, leave and are forgotten: the rules, without HTTP and without a command line.

- ``intake``    what a form asked for is kept, and decided later: confirmation, reminder, silence
- ``links``     rights that a mailed link gives: random, single use, hashed at rest, over in time
- ``joining``   confirm, be invited
- ``evidence``  how people came to agree, as it is kept and as they read it
- ``choosing``  preferences: language, format, audience, pause, another address, what we hold
- ``leaving``   unsubscribe, undo, bounce, erase, suppress
- ``limits``    how often one network may press buttons
- ``portals``   an organisation's own portal: its token, its limit, whom it names
- ``people``    what operators do with one person, and with sign-ups that are held
- ``bulk``      what operators do with many: import, sync, export; ``rows`` reads their files
- ``tending``   what time does: pauses end, audiences end, what is over is forgotten
"""

from __future__ import annotations

from newsletter.subscriptions.bulk import export_csv, import_csv, sync
from newsletter.subscriptions.choosing import (
    Preferences,
    allowed_audiences,
    ask_to_move,
    close_session,
    confirm_move,
    export,
    held_about,
    mail_export,
    open_session,
    pause,
    resume,
    save,
    session_holder,
    stay,
    waiting_move,
)
from newsletter.subscriptions.intake import Asked, ask
from newsletter.subscriptions.joining import confirm, invite, unmade
from newsletter.subscriptions.leaving import (
    Left,
    bounced,
    decline,
    erase,
    erase_address,
    leave,
    leave_by_address,
    leave_by_token,
    suppress,
    undo,
)
from newsletter.subscriptions.leaving import look_up as look_up
from newsletter.subscriptions.limits import admit
from newsletter.subscriptions.links import look, reader_of
from newsletter.subscriptions.people import (
    add,
    disclose,
    drop_signups,
    everybody,
    held_signups,
    release_signups,
    suppressed,
    unsuppress,
)
from newsletter.subscriptions.suppressing import is_silent
from newsletter.subscriptions.tending import tend

__all__ = [
    "Asked",
    "Left",
    "Preferences",
    "add",
    "admit",
    "allowed_audiences",
    "ask",
    "ask_to_move",
    "bounced",
    "close_session",
    "confirm",
    "confirm_move",
    "decline",
    "disclose",
    "drop_signups",
    "erase",
    "erase_address",
    "everybody",
    "export",
    "export_csv",
    "held_about",
    "held_signups",
    "import_csv",
    "invite",
    "is_silent",
    "leave",
    "leave_by_address",
    "leave_by_token",
    "look",
    "look_up",
    "mail_export",
    "open_session",
    "pause",
    "reader_of",
    "release_signups",
    "resume",
    "save",
    "session_holder",
    "stay",
    "suppress",
    "suppressed",
    "sync",
    "tend",
    "undo",
    "unmade",
    "unsuppress",
    "waiting_move",
]
