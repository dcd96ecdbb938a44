"""Files in forms, kept in memory: an upload that is refused was never on disk."""

from io import BytesIO
from typing import Any

from django.core.files.uploadedfile import InMemoryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler

from marketplace.bundle_uploads import LARGEST_UPLOAD, upload_too_large

FORM_ITSELF = 64 * 1024
"""Bytes of a form that are not its file: fields, boundaries, headers."""


class BundleUploadHandler(FileUploadHandler):
    """Refuses by the length that is told, before anything is read, and by what arrives."""

    def handle_raw_input(
        self,
        input_data: Any,
        META: dict[str, str],
        content_length: int,
        boundary: Any,
        encoding: str | None = None,
    ) -> None:
        """Raises BundleTooLarge."""
        self.received = 0
        if content_length > LARGEST_UPLOAD + FORM_ITSELF:
            raise upload_too_large()

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self.file = BytesIO()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self.received += len(raw_data)
        if self.received > LARGEST_UPLOAD:
            raise upload_too_large()
        self.file.write(raw_data)

    def file_complete(self, file_size: int) -> InMemoryUploadedFile:
        self.file.seek(0)
        return InMemoryUploadedFile(
            file=self.file,
            field_name=self.field_name,
            name=self.file_name,
            content_type=self.content_type,
            size=file_size,
            charset=self.charset,
            content_type_extra=self.content_type_extra,
        )
