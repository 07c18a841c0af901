"""The list of checks that need no Dagster (those are in defs/doctor.py), from settings to stuck submissions."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hub_pipelines.audit import store as audit
from hub_pipelines.common.errors import HubError, SettingsError
from hub_pipelines.common.scope import RESERVED_CAMPUS, RESERVED_FEED
from hub_pipelines.common.store import SCHEMA_VERSION, Database, schema_version
from hub_pipelines.doctor import home, messages
from hub_pipelines.doctor import store as database
from hub_pipelines.doctor.home import Found
from hub_pipelines.doctor.model import Check
from hub_pipelines.hub import KNOWN_FEEDS, checkpoints_of, portal_key
from hub_pipelines.intake.signing import KeyRing
from hub_pipelines.launching import due_of, waiting_for_taken
from hub_pipelines.pausing.store import standing
from hub_pipelines.portals import store as portals
from hub_pipelines.portals.pacing import late_after
from hub_pipelines.settings import Settings, load
from hub_pipelines.submission import store as submissions
from hub_pipelines.submission.model import Integrity, State, Submission
from hub_pipelines.validate.feeds import FEEDS

_CLOCK_S = 2.0
_GRACE_S = 60.0
_SHOWN = 20
_SIGNATURES = 20
_LONG_PAUSE = timedelta(days=1)
_START = "hub up"


def settings_check(toml: Path) -> Check:
    """The first to make: without settings there is nothing else to look at."""
    return Check("settings", lambda: _settings(toml), f"less {home.quote(toml)}")


def _settings(toml: Path) -> Found:
    if not toml.exists():
        yield "error", f"{toml.parent} is no hub's home: it has no hub.toml. Is HUB_HOME right?", "hub up"
        return
    try:
        load(KNOWN_FEEDS)
    except SettingsError as error:
        yield "error", str(error), f"nano {home.quote(toml)}"


def checks_of(settings: Settings, *, overdue_s: float = 600.0) -> list[Check]:
    """Looks at home, keys and database. Makes nothing: a missing database or key must not come back empty.

    A launch or a receipt is overdue after `overdue_s`.
    """
    db = _Opened(settings)
    toml = settings.home / "hub.toml"
    return [
        Check("permissions", lambda: home.permissions(settings), f"ls -la {home.quote(settings.home)}"),
        Check("disk", lambda: home.disk(settings), f"df -h {home.quote(settings.home)}"),
        Check("drop folders", lambda: home.drop_folders(settings), f"ls -la {home.quote(settings.drop)}"),
        Check("keys", lambda: home.keys(settings), f"ls -la {home.quote(settings.keys)}"),
        Check("database", lambda: _database(db), f"grep -A3 database {home.quote(toml)}"),
        Check("schema", lambda: _schema(db), _START),
        Check("clock", lambda: _clock(db), "timedatectl status"),
        Check("signatures", lambda: _signatures(db, settings), "hub audit verify"),
        Check("checkpoints", lambda: _checkpoints(db, settings), "hub audit verify"),
        Check("leases", lambda: _leases(db), "hub locks list"),
        Check("launches", lambda: _launches(db, settings, overdue_s), "hub drain"),
        Check("receipts", lambda: _receipts(db, overdue_s), "hub drain"),
        Check("review", lambda: _review(db), "hub review list"),
        Check("scopes", lambda: _scopes(db, settings), f"less {home.quote(toml)}"),
        Check("portals", lambda: _portals(db, settings), "hub portals list"),
        Check("pauses", lambda: _pauses(db), "hub status"),
        Check("receiver", lambda: messages.receiver(settings), f"grep receiver {home.quote(settings.log_path)}"),
        Check("messages", lambda: messages.waiting(settings, db.db, overdue_s=overdue_s), "hub status"),
        Check("secrets of sources", lambda: messages.secrets(settings, db.db), "hub sources list"),
    ]


def _portals(opened: "_Opened", settings: Settings) -> Found:
    """Each portal's key is there, it is not failing, and it was read lately."""
    now = datetime.now(UTC)
    for name, one in settings.portals.items():
        try:
            portal_key(settings, name)
        except SettingsError as error:
            yield "error", str(error), f"nano {home.quote(settings.home / 'hub.toml')}"
            continue
        with opened.db.read() as tx:
            state = portals.find(tx, name)
        if state is None:
            continue
        if state.health.openings:
            until = f"until {state.health.not_before:%Y-%m-%d %H:%M} UTC" if state.health.wait_s(now) else "now"
            told = f"The portal {name} can't be read: {state.last_error} It is not asked {until}."
            yield "error", told.replace("not asked now", "asked again now"), "hub portals list"
        elif state.began_at is not None and now - state.began_at > late_after(timedelta(seconds=one.every_s)):
            told = f"The portal {name} was last polled at {state.began_at:%Y-%m-%d %H:%M} UTC; portals_sensor is off."
            yield "warning", told, f"hub poll {name}"


class MissingDatabase(HubError):
    def __init__(self, path: Path) -> None:
        super().__init__(f"the database {path} is missing")
        self.path = path


class _Opened:
    """The database, opened at first use and only when it is there."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._db: Database | None = None

    @property
    def db(self) -> Database:
        """Raises MissingDatabase for an SQLite file that is missing: opening it would make an empty one."""
        if self._db is None:
            opened = Database(self._settings.database_url)
            path = database.sqlite_path(opened)
            if path is not None and not path.exists():
                raise MissingDatabase(path)
            self._db = opened
        return self._db


def _database(opened: _Opened) -> Found:
    try:
        db = opened.db
    except MissingDatabase as error:
        told = str(error)
        yield (
            "error",
            f"{told[0].upper()}{told[1:]}; the hub does not start without it.",
            home.database_from_backup(error.path),
        )
        return
    path = database.sqlite_path(db)
    if path is None:
        with db.read() as tx:
            submissions.unsettled_count(tx)
    else:
        yield from _sqlite(path)


def _sqlite(path: Path) -> Found:
    if fault := database.sqlite_fault(path):
        # the hub sets the mode whenever it opens the file
        mends = "hub status" if "WAL" in fault else home.database_from_backup(path)
        yield "error", f"{path} {fault}.", mends
    elif damage := database.sqlite_damage(path):
        yield "error", f"{path} is damaged: {damage}. Stop `hub up`, then restore it.", home.database_from_backup(path)
    mounts = Path("/proc/mounts")
    if mounts.exists():
        kind = home.file_system_of(path, mounts.read_text(encoding="utf-8"))
        if home.is_network(kind):
            told = f"{path} is on a network file system ({kind}), where SQLite's locks can't be trusted."
            yield "error", f"{told} Move HUB_HOME to a local disk or use PostgreSQL.", f"df -h {home.quote(path)}"


def _schema(opened: _Opened) -> Found:
    with opened.db.read() as tx:
        version = schema_version(tx)
        missing = database.missing_parts(tx)
        guards = database.missing_guards(tx)
    if version is not None and version > SCHEMA_VERSION:
        told = f"A newer release has worked with this database (schema {version}; this one knows {SCHEMA_VERSION})."
        yield "error", f"{told} Start that one.", "pip install -e ."
    elif version != SCHEMA_VERSION:
        told = f"The database is of an older release (schema {version or '0001'}); the next start brings it up to date."
        yield "warning", told, "hub status"
        return
    if missing:
        yield "error", f"The database lacks {', '.join(missing)}: somebody has changed it.", "hub audit verify"
    path = database.sqlite_path(opened.db)
    client = f"sqlite3 {home.quote(path)}" if path else "psql <address> -c"
    for guard, statement in guards.items():
        told = f"The database lacks guard {guard}, so what is append-only can be changed. See `hub audit verify` first."
        yield "error", told, f"{client} {home.quote(statement)}"


def _clock(opened: _Opened) -> Found:
    with opened.db.read() as tx:
        ahead = database.clock_ahead_s(tx)
        newest = database.newest_entry_at(tx)
    if abs(ahead) > _CLOCK_S:
        how = "ahead of" if ahead > 0 else "behind"
        yield "error", f"The database's clock is {abs(ahead):.0f} s {how} this machine's.", "timedatectl status"
    if newest is not None and newest > datetime.now(UTC) + timedelta(seconds=_GRACE_S):
        told = (
            f"The newest audit entry is of {newest:%Y-%m-%d %H:%M:%S} UTC, which is in the future: a clock went back."
        )
        yield "error", told, "timedatectl status"


def _signatures(opened: _Opened, settings: Settings) -> Found:
    """The newest envelopes verify with the keys that are here."""
    ring = KeyRing(settings.keys)
    with opened.db.read() as tx:
        envelopes = database.newest_envelopes(tx, _SIGNATURES)
    for envelope in envelopes:
        try:
            ring.verify(envelope)
        except Integrity:
            told = f"The record of {envelope.request_id} carries no signature that a key in {settings.keys} verifies"
            yield "error", f"{told} (key {envelope.key_id}).", "hub audit verify"


def _checkpoints(opened: _Opened, settings: Settings) -> Found:
    """The ends of all chains were signed lately, with keys that are still here, and stand in files too."""
    checkpoints = checkpoints_of(settings, opened.db)
    for campus, since in checkpoints.overdue(datetime.now(UTC)).items():
        told = f"What {campus}'s audit chain holds since {since:%Y-%m-%d %H:%M} UTC is in no signed checkpoint yet."
        yield "warning", f"{told} audit_checkpoints_schedule should have made one.", "hub audit checkpoint"
    for campus, path in checkpoints.keys_astray().items():
        told = f"{path} is not the key that {campus}'s newest checkpoint names: no checkpoint can be made."
        yield "error", told, f"cp <backup>/keys/campuses/{campus}/signing.pem {path} && chmod 600 {path}"
    for place in checkpoints.unwritten():
        yield "warning", f"Checkpoints are missing in {settings.home / place}.", "hub audit checkpoint"


def _leases(opened: _Opened) -> Found:
    with opened.db.read() as tx:
        past = database.leases_past_due(tx, by_s=_GRACE_S, limit=_SHOWN)
    for one in past:
        told = f"Run {one.lease_owner} holds {one.request_id}, and its lease ended at {one.lease_until:%H:%M:%S} UTC."
        yield "error", f"{told} Nobody has taken it over.", f"hub locks release {one.request_id}"


def _launches(opened: _Opened, settings: Settings, overdue_s: float) -> Found:
    """What is due for long and is not launched, by the same rule as the sensors': nothing of its campus is. Where
    others are, it waits its turn."""
    with opened.db.read() as tx:
        busy = database.campuses_launched(tx, within_s=overdue_s)
    for one in _due(opened, settings):
        if one.envelope.campus in busy:
            continue
        if one.launched_at is not None:
            continue  # was launched, and is due again: the sensor asks Dagster whether its run lives
        since = one.retry_at if one.state is State.RETRYING and one.retry_at else _last_told(opened, one)
        if datetime.now(UTC) - since > timedelta(seconds=overdue_s):
            told = f"{one.request_id} is {one.state} and due since {since:%Y-%m-%d %H:%M:%S} UTC; nothing launches it."
            yield "error", told, "hub up"


def _last_told(opened: _Opened, one: Submission) -> datetime:
    """When it came or was last sent through again."""
    with opened.db.read() as tx:
        newest, _ = audit.newest_entries_of(tx, one.request_id, without=(), limit=1)
    return newest[0].at if newest else one.envelope.received_at


def _due(opened: _Opened, settings: Settings) -> Iterator[Submission]:
    feeds = {name: FEEDS[name] for name in settings.feeds}
    after = timedelta(seconds=settings.limits.relaunch_after_s)
    for campus in settings.campuses:
        with opened.db.read() as tx:  # each its own: when another posting began is told once in a transaction
            taken = waiting_for_taken(tx, campus)
            yield from due_of(tx, campus, feeds, taken=taken, limit=_SHOWN, relaunch_after=after)


def _receipts(opened: _Opened, overdue_s: float) -> Found:
    with opened.db.read() as tx:
        count = database.receipts_overdue(tx, by_s=overdue_s)
    if count:
        told = f"{count} receipts are due for more than {overdue_s / 60:.0f} minutes; hub.log says why."
        yield "warning", told, "hub drain"


def _review(opened: _Opened) -> Found:
    with opened.db.read() as tx:
        missing = database.in_review_without_item(tx, _SHOWN)
    for request_id in missing:
        yield "error", f"{request_id} is in review, and no open item shows it to anybody.", "hub reconcile"


def _scopes(opened: _Opened, settings: Settings) -> Found:
    campuses, feeds = [*settings.campuses, RESERVED_CAMPUS], [*settings.feeds, RESERVED_FEED]
    with opened.db.read() as tx:
        outside = database.outside_of(tx, campuses, feeds, _SHOWN)
    for one in outside:
        told = f"{one.request_id} waits, and hub.toml no longer names {one.campus} and {one.feed}: nothing launches it."
        yield "error", f"{told} Name them again until it is settled.", f"hub why {one.request_id}"


def _pauses(opened: _Opened) -> Found:
    with opened.db.read() as tx:
        pauses = standing(tx)
        waiting = submissions.unsettled_by_scope(tx) if pauses else {}
    for one in pauses:
        number = sum(count for scope, count in waiting.items() if one.covers(*scope))
        if number and datetime.now(UTC) - one.paused_at > _LONG_PAUSE:
            options = "".join(
                f" --{name} {value}" for name, value in (("campus", one.campus), ("feed", one.feed)) if value
            )
            yield "warning", f"{number} submissions wait: {one.sentence}.", f"hub resume{options}"
