"""An archive that speaks DICOMweb (PS3.18): images by QIDO and WADO, results by STOW."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from dicomweb_client import DICOMwebClient
from pydicom import dcmread
from requests import PreparedRequest, RequestException, Session
from requests.auth import AuthBase, HTTPBasicAuth

from cxr_gradcam.archive.destination import UNSUPPORTED, SendError, UnsupportedError
from cxr_gradcam.archive.header import suppress_library_messages
from cxr_gradcam.archive.source import IMAGE_CLASSES

TOKEN, USER, PASSWORD = "DICOMWEB_TOKEN", "DICOMWEB_USER", "DICOMWEB_PASSWORD"
"""Environment variables: a bearer token, or user and password of basic authentication."""

# The log of dicomweb-client names studies, which belong to patients.
logging.getLogger("dicomweb_client").setLevel(logging.CRITICAL)

_CLASS, _STUDY, _SERIES, _INSTANCE = "00080016", "0020000D", "0020000E", "00080018"


class DicomwebError(ValueError):
    """An archive did not answer as expected; the message contains no patient data."""


class _BearerToken(AuthBase):
    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class DicomwebArchive:
    """A DICOMweb service: a source of radiographs, and a `Destination` of results.

    Args:
        url: URL of the service, to which /studies is added.
        environment: variables that may hold `TOKEN`, or `USER` and `PASSWORD`.

    Raises:
        DicomwebError: the URL has no valid form.
    """

    def __init__(self, url: str, environment: Mapping[str, str]) -> None:
        session = Session()
        if token := environment.get(TOKEN):
            session.auth = _BearerToken(token)
        elif user := environment.get(USER):
            session.auth = HTTPBasicAuth(user, environment.get(PASSWORD, ""))
        try:
            self._client = DICOMwebClient(url.rstrip("/"), session)
        except ValueError:
            raise DicomwebError(
                f"{url!r} is no URL of a DICOMweb service: write its URL, as http://HOST:PORT/dicom-web"
            ) from None
        # No retries here: the node itself retries, and a user should see a failure at once.
        self._client.set_http_retry_params(retry=False)

    def images(
        self, study: str | None = None, query: Mapping[str, str] | None = None
    ) -> Iterator[tuple[str, str, str]]:
        """Find the instances that can be explained: radiographs for presentation.

        Args:
            study: Study Instance UID of the study to search in; None for the whole archive.
            query: {keyword: value} that the instances match, e.g. {"StudyDate":
                "20240101-20240131"}.

        Yields:
            UIDs of study, series and instance.

        Raises:
            DicomwebError: the archive cannot be reached, refuses, or does not know a keyword.
        """
        found: list[dict[str, Any]] = self._ask(
            self._client.search_for_instances,
            study,
            fields=["SOPClassUID"],
            search_filters=dict(query or {}),
            get_remaining=True,
        )
        for item in found:
            if item[_CLASS]["Value"][0] in IMAGE_CLASSES:
                yield tuple(item[tag]["Value"][0] for tag in (_STUDY, _SERIES, _INSTANCE))

    def has_study(self, study: str) -> bool:
        """Return whether the archive has a study.

        Args:
            study: Study Instance UID.

        Returns:
            Whether a search for the UID finds it.

        Raises:
            DicomwebError: the archive cannot be reached, or refuses.
        """
        query = {"StudyInstanceUID": study}
        return bool(self._ask(self._client.search_for_studies, search_filters=query))

    def fetch(self, study: str, series: str, instance: str) -> bytes:
        """Return the DICOM file of an instance, in the transfer syntax that it is stored in.

        Args:
            study: Study Instance UID.
            series: Series Instance UID.
            instance: SOP Instance UID.

        Returns:
            The bytes of the file.

        Raises:
            DicomwebError: the archive cannot be reached, or does not return the instance.
        """
        dataset = self._ask(
            self._client.retrieve_instance,
            *(study, series, instance),
            media_types=(("application/dicom", "*"),),
        )
        stream = BytesIO()
        with suppress_library_messages():
            dataset.save_as(stream, enforce_file_format=True)
        return stream.getvalue()

    def send(self, files: Iterable[Path], delivered: Callable[[Path], None]) -> None:
        """Store DICOM files (STOW); see `Destination`."""
        for path in files:
            with suppress_library_messages():
                dataset = dcmread(path)
            study = str(dataset.StudyInstanceUID)
            try:
                answer = self._ask(self._client.store_instances, [dataset], study)
            except DicomwebError as error:
                raise SendError(str(error), concerns_all=True) from None
            failed = answer.get("FailedSOPSequence")
            if failed:
                reason = failed[0].get("FailureReason", 0)
                if reason == UNSUPPORTED:
                    kind = dataset.SOPClassUID.name
                    raise UnsupportedError("the DICOMweb archive", path, kind)
                raise SendError(
                    f"the DICOMweb archive did not store a result: 0x{reason:04X}; its log says why"
                )
            delivered(path)

    def _ask(self, method: Callable[..., Any], *what: object, **options: object) -> Any:  # noqa: ANN401
        try:
            return method(*what, **options)
        except RequestException as error:
            said = "no answer" if error.response is None else f"status {error.response.status_code}"
            raise DicomwebError(
                f"the DICOMweb archive did not answer the request: {said}. Check its URL, and the "
                f"environment variables {TOKEN}, or {USER} and {PASSWORD}."
            ) from None
        except (KeyError, ValueError, OSError) as error:
            raise DicomwebError(
                f"the answer of the DICOMweb archive is no DICOMweb ({type(error).__name__}). "
                "Check its URL, and the keywords of --query."
            ) from None
