"""Why a file is not taken, as the child tells it. Not here: the error that the hub raises (validate/model.py)."""

CAN_BE_TAKEN = "The hub takes .csv, .tsv, .txt, .xlsx, .xlsm, .xlsb, .xls and .ods files."


class Refusal(Exception):
    """The file as a whole cannot be taken; `fix` says what the sender should do."""

    def __init__(self, reason: str, fix: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.fix = fix


def empty() -> Refusal:
    return Refusal("The file is empty.", "Check that the table was saved, and send the file again.")


def damaged(why: object) -> Refusal:
    told = " ".join(str(why).split())[:200]
    return Refusal(
        f"The workbook cannot be read; it seems to be damaged ({told}).",
        "Open it in Excel, save it as a new .xlsx file and send that file. If Excel can't open it either, "
        "export it again where it came from.",
    )


def too_large(what: str) -> Refusal:
    return Refusal(
        f"{what}, which is too large to open.",
        "Copy only the table into a new workbook, or save it as CSV UTF-8, and send that file.",
    )


def password_protected() -> Refusal:
    return Refusal(
        "The workbook is password-protected.",
        "Remove the password in Excel (File, Info, Protect Workbook), save and send it again.",
    )


def rights_managed() -> Refusal:
    return Refusal(
        "The file is encrypted by rights management (DRM), so only your organisation's computers can open it.",
        "Open it where you may, save it without protection as an Excel workbook (.xlsx) and send that file. If you "
        "can't, ask who runs the rights management to take the protection off.",
    )


def not_text() -> Refusal:
    return Refusal(
        "The file holds bytes that no text file has (NUL bytes), so it is damaged or not a text table.",
        "Open the table in Excel, save it as CSV UTF-8 and send that file.",
    )
