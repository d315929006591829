"""Excel workbooks: the values of each sheet's cells, row by row."""

from __future__ import annotations

import io
from datetime import datetime

import openpyxl

from rag.chunks import Block
from rag.extract.archive import Archive
from rag.extract.outline import Outline


def read(data: bytes) -> tuple[str, list[Block]]:
    """Title (from the properties) and a table for each sheet. Raises `Rejected`."""
    archive, outline = Archive(data), Outline()
    archive.read("xl/workbook.xml")
    workbook = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    for sheet in workbook.worksheets:
        if sheet.sheet_state != "visible":
            continue
        outline.heading(1, sheet.title)
        sheet.reset_dimensions()  # the dimensions in the file are often wrong
        outline.table([[_shown(cell) for cell in row] for row in sheet.values])
    return archive.office_title(), outline.close()


def _shown(value: object) -> str:
    """Return a value as the sheet shows it, as far as that can be known without its format."""
    if isinstance(value, datetime) and value.time() == datetime.min.time():
        return value.date().isoformat()
    if isinstance(value, float):
        return f"{value:.15g}"
    return "" if value is None else str(value)
