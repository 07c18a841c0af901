"""A portal that answers GET with JSON, told by settings alone: an ERP's orders, a procurement system's status."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

from hub_pipelines.common.clock import iso
from hub_pipelines.common.scope import Scope
from hub_pipelines.portals.configured import Configured
from hub_pipelines.portals.model import Answer, Field, Garbled, Order, PageRead, Record, Request, Unread
from hub_pipelines.portals.shapes import at
from hub_pipelines.settings.portals import RestPortalSettings

_CAMPUS = "campus"
_NEXT_LINK = re.compile(r"<([^<>]*)>((?:\s*;\s*[\w*]+=(?:\"[^\"]*\"|[^\s;,\"]+))*)")
_REL_NEXT = re.compile(r";\s*rel=(?:\"(?:[^\"]*\s)?next(?:\s[^\"]*)?\"|next(?![^\s;,]))", re.I)


@dataclass(frozen=True, slots=True)
class RestAdapter(Configured[RestPortalSettings]):
    """`campuses` are those of the hub: a record of any other is held. `names_campus`: the contract has a column for
    it, which need not be a field of the record."""

    campuses: tuple[str, ...]
    names_campus: bool

    @property
    def order(self) -> Order:
        return Order.STABLE if self.settings.paging.style == "single" else Order(self.settings.order)

    @property
    def fields(self) -> tuple[Field, ...]:
        told = self.settings
        needed = dict.fromkeys([*told.natural_id, *filter(None, [told.campus_field, told.updated])])
        paths = dict.fromkeys([*needed, *told.fields.values()])
        return tuple(Field(path, ("text", "bool"), optional=path in told.optional) for path in paths)

    @property
    def scopes(self) -> tuple[tuple[Scope, str], ...]:
        told = self.settings
        feed = told.record_type.partition(".")[0]
        named = [told.campus] if told.campus else (list(told.campus_values.values()) or list(self.campuses))
        return tuple((Scope(campus, feed), told.record_type) for campus in dict.fromkeys(named))

    # ---- asking

    def begin(self, since: datetime | None, now: datetime) -> tuple[Request, ...]:  # noqa: ARG002  # asks to the end
        told = self.settings
        params = dict(parse_qsl(urlsplit(told.url).query, keep_blank_values=True)) | told.params
        if since is not None and told.since is not None:
            written = iso(since) if told.since.written == "datetime" else since.date().isoformat()
            params[told.since.param] = written
        paging = told.paging
        if paging.size_param:
            params[paging.size_param] = str(paging.size)
        if paging.style == "page":
            params[paging.param] = str(paging.first)
        elif paging.style == "offset":
            params[paging.param] = "0"
        return (Request(told.url.partition("?")[0], params=tuple(params.items())),)

    # ---- reading

    def read(self, request: Request, answer: Answer) -> PageRead:
        document = answer.document()
        found = at(document, self.settings.records)
        if not isinstance(found, list):
            where = f"at {self.settings.records!r}" if self.settings.records else "as the whole answer"
            raise Garbled(f"There is no list of records {where}.")
        records: list[Record] = []
        unread: list[Unread] = []
        for raw in found:
            one = self._record(raw)
            (records if isinstance(one, Record) else unread).append(one)  # type: ignore[arg-type]  # told apart
        total = at(document, self.settings.total) if self.settings.total else None
        return PageRead(
            tuple(records),
            tuple(self._next(request, document, answer, len(found))),
            tuple(unread),
            int(total) if isinstance(total, str) and total.isdecimal() else None,
        )

    def _record(self, raw: Any) -> Record | Unread:
        told = self.settings
        if not isinstance(raw, Mapping):
            return self._unread(raw, "It is no object.")
        ids = [at(raw, path) for path in told.natural_id]
        if not all(isinstance(one, str) and one.strip() for one in ids):
            return self._unread(raw, f"It has no {' and '.join(told.natural_id)}, by which it is known.")
        campus = told.campus or self._campus(at(raw, told.campus_field))
        if campus not in self.campuses:
            return self._unread(raw, f"{told.campus_field} is {campus!r}, which is no campus of this hub.")
        data = {column: _plain(at(raw, path)) for column, path in told.fields.items()}
        if self.names_campus:
            data.setdefault(_CAMPUS, campus)
        scope = Scope(campus, told.record_type.partition(".")[0])
        natural_id = "/".join(str(one).strip() for one in ids)
        return Record(natural_id, scope, told.record_type, data, raw, _moment(at(raw, told.updated)))

    def _campus(self, value: Any) -> str:
        return self.settings.campus_values.get(str(value), str(value))

    def _unread(self, raw: Any, reason: str) -> Unread:
        scope, record_type = self.scopes[0]
        return Unread(raw, reason, scope, record_type)

    def _next(self, request: Request, document: Any, answer: Answer, found: int) -> Iterator[Request]:
        paging = self.settings.paging
        if paging.style in ("page", "offset"):
            # a page that is not full is the last one, unless the portal makes them smaller than it was asked to
            if found == 0 or (paging.size_param and found < paging.size):
                return
            step = 1 if paging.style == "page" else found
            here = int(dict(request.params)[paging.param])
            yield replace(request, params=_with(request.params, paging.param, str(here + step)))
        elif paging.style == "cursor":
            cursor = at(document, paging.next)
            if isinstance(cursor, str) and cursor:
                yield replace(request, params=_with(request.params, paging.param, cursor))
        elif paging.style in ("next_link", "link_header"):
            link = at(document, paging.next) if paging.style == "next_link" else next_link(answer.headers)
            if isinstance(link, str) and link:
                yield _following(request, link)


def next_link(headers: Mapping[str, str]) -> str | None:
    """The address with rel="next" of a Link header (RFC 8288)."""
    for link in _NEXT_LINK.finditer(headers.get("link", "")):
        if _REL_NEXT.search(link[2]):
            return link[1]
    return None


def _following(request: Request, link: str) -> Request:
    url = urljoin(request.url, link)
    params = tuple(parse_qsl(urlsplit(url).query, keep_blank_values=True))
    return replace(request, url=url.partition("?")[0], params=params)


def _with(params: tuple[tuple[str, str], ...], name: str, value: str) -> tuple[tuple[str, str], ...]:
    return (*((one, kept) for one, kept in params if one != name), (name, value))


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, str | bool) else None


def _moment(value: Any) -> datetime | None:
    """A moment with its zone, or a day; None for what is neither, and for a moment of no known zone."""
    try:
        found = datetime.fromisoformat(str(value)) if value is not None else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None
