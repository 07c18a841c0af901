"""From a portal's settings to its adapter: the one place that knows all kinds."""

from collections.abc import Collection, Mapping

from hub_pipelines.common.errors import SettingsError
from hub_pipelines.portals.grants_gov import GrantsGovAdapter
from hub_pipelines.portals.model import Adapter
from hub_pipelines.portals.nih import NihAdapter
from hub_pipelines.portals.nsf import NsfAdapter
from hub_pipelines.portals.rest import RestAdapter
from hub_pipelines.portals.sam import SamAdapter
from hub_pipelines.portals.usaspending import UsaSpendingAdapter
from hub_pipelines.settings import Settings
from hub_pipelines.settings.portals import (
    AnyPortalSettings,
    GrantsGovPortalSettings,
    NihPortalSettings,
    NsfPortalSettings,
    RestPortalSettings,
    SamPortalSettings,
    UsaSpendingPortalSettings,
)
from hub_pipelines.validate.model import Feed, RecordType


def adapters_of(settings: Settings, feeds: Mapping[str, Feed]) -> dict[str, Adapter]:
    """All that hub.toml names. Raises SettingsError as adapter_of does."""
    campuses = tuple(settings.campuses)
    return {name: adapter_of(name, one, campuses, feeds) for name, one in settings.portals.items()}


def adapter_of(name: str, settings: AnyPortalSettings, campuses: tuple[str, ...], feeds: Mapping[str, Feed]) -> Adapter:
    """`campuses` are those of the hub: nothing is taken for another one. Raises SettingsError when the settings name
    what the hub does not have: a campus, a record type, a column."""
    if isinstance(settings, RestPortalSettings):
        record = _record_type(name, settings, campuses, feeds)
        return RestAdapter(name, settings, campuses, "campus" in record.columns)
    return _checked(_federal(name, settings), campuses, feeds)


def _federal(
    name: str,
    settings: NihPortalSettings
    | NsfPortalSettings
    | UsaSpendingPortalSettings
    | GrantsGovPortalSettings
    | SamPortalSettings,
) -> Adapter:
    match settings:
        case NihPortalSettings():
            return NihAdapter(name, settings)
        case NsfPortalSettings():
            return NsfAdapter(name, settings)
        case UsaSpendingPortalSettings():
            return UsaSpendingAdapter(name, settings)
        case GrantsGovPortalSettings():
            return GrantsGovAdapter(name, settings)
        case SamPortalSettings():
            return SamAdapter(name, settings)


def _checked(adapter: Adapter, campuses: Collection[str], feeds: Mapping[str, Feed]) -> Adapter:
    for scope, record_type in adapter.scopes:
        where = f"[portals.{adapter.name}]"
        if scope.campus not in campuses:
            known = ", ".join(campuses)
            raise SettingsError(f"{where}: {scope.campus!r} is no campus of this hub. Choose from: {known}.")
        if scope.feed not in feeds:
            raise SettingsError(f"{where} brings {record_type}, and [feeds] enabled does not name {scope.feed}.")
    return adapter


def _record_type(
    name: str, settings: RestPortalSettings, campuses: Collection[str], feeds: Mapping[str, Feed]
) -> RecordType:
    where = f"[portals.{name}]"
    records = {one.name: one for feed in feeds.values() for one in feed.record_types}
    record = records.get(settings.record_type)
    if record is None:
        known = ", ".join(records)
        raise SettingsError(f"{where} record_type: {settings.record_type!r} is none of this hub. Choose from: {known}.")
    for key, named in (("campus", [settings.campus]), ("campus_values", list(settings.campus_values.values()))):
        unknown = [one for one in named if one and one not in campuses]
        if unknown:
            told = f"{unknown[0]!r} is no campus of this hub. Choose from: {', '.join(campuses)}."
            raise SettingsError(f"{where} {key}: {told}")
    _check_columns(where, record, settings.fields)
    return record


def _check_columns(where: str, record: RecordType, fields: Mapping[str, str]) -> None:
    unknown = [one for one in fields if one not in record.columns]
    if unknown:
        known = ", ".join(record.columns)
        raise SettingsError(f"{where} fields.{unknown[0]}: {record.name} has no such column. Its columns: {known}.")
    missing = [one for one in record.required if one not in (*fields, "campus")]
    if missing:
        raise SettingsError(f"{where} fields: {record.name} needs {missing[0]}; say which field of a record it is.")
