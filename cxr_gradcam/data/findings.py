"""Find which classes are findings, by their names, never by their order."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_ABSENCE = frozenset(
    {
        *("normal", "normals", "healthy", "negative", "negatives", "neg", "control", "controls"),
        *("unremarkable", "clear", "benign", "none", "absent", "absence", "false", "unaffected"),
        *("uninfected", "noninfected", "undiseased", "wnl"),
        *("normale", "normalen", "normales", "normali", "normaux", "normaal", "normalny", "gesund"),
        *("unauffallig", "kontrolle", "kontrollen", "sano", "sana", "sanos", "sain", "saine"),
        *("saludable", "saudavel", "saudaveis", "sani", "gezond", "frisk", "terve", "zdrowy"),
        *(
            "zdravy",
            "sagl\u0131kl\u0131",
            "saglikli",
            "negativ",
            "negativo",
            "negativa",
            "negatif",
            "temoin",
        ),
        *("controle", "controles", "controllo", "controlli"),
        *("正常", "健康", "阴性", "陰性", "对照", "対照", "對照", "无异常", "異常なし", "所見なし"),
        *("정상", "норма", "здоров", "здоровые", "طبيعي", "سليم"),
    }
)
"""Words, without accents, that mean the absence of a finding anywhere in a name."""
_NEGATIONS = frozenset(
    {
        *("no", "non", "not", "without", "nil", "ohne", "kein", "keine", "sin", "sans", "pas"),
        *("sem", "senza", "nessun", "nessuna", "geen", "bez", "utan", "uden", "без", "нет"),
    }
)
"""Words that negate the words after them."""
_NOTHING = frozenset(
    {
        *("finding", "findings", "disease", "abnormality", "abnormalities", "pathology"),
        *("hallazgos", "achados", "reperti", "befund", "anomalie", "патологии"),
    }
)
"""Words that follow a negation in the name of a healthy class, as in "No Finding"."""
_WRITTEN_TOGETHER = re.compile(rf"^(no|non|not)({'|'.join(sorted(_NOTHING))})$")


def is_absence(class_name: str) -> bool:
    """Return whether a class's name says that nothing was found.

    Example:
        >>> [is_absence(name) for name in ("NORMAL1", "NoFinding", "Covid", "not normal")]
        [True, True, False, False]
    """
    words = _words(class_name)
    if words and words[0] in _NEGATIONS:
        return not _ABSENCE & {*words[1:]}
    return words[-1:] == ["free"] or bool(_ABSENCE & {*words})


def findings_among(class_names: Sequence[str]) -> tuple[str, ...]:
    """Return the classes that are findings, in the order of the classes.

    If a class is clearly normal ("Normal", "No Finding"), a class such as "Non-COVID" is a separate
    finding; otherwise it is the absence of "COVID".

    Args:
        class_names: the classes of a model or of folders.

    Example:
        >>> findings_among(("Covid", "Non-covid", "Normal"))
        ('Covid', 'Non-covid')
    """
    plain = {name for name in class_names if _is_plainly_normal(name)}
    absent = plain or {name for name in class_names if is_absence(name)}
    absent = absent or {name for name in class_names if _denies_another(name, class_names)}
    return tuple(name for name in class_names if name not in absent)


def absence_among(class_names: Sequence[str], finding: str | None) -> str | None:
    """Return the class of radiographs that show no finding.

    Args:
        class_names: the classes.
        finding: one of the classes, or None if it is not known; of two classes, the other one is
            its absence.

    Returns:
        The class, or None if no class, or more than one, is the absence.
    """
    others = [name for name in class_names if name != finding]
    if finding is not None and len(others) == 1:
        return others[0]
    findings = findings_among(class_names)
    absent = [name for name in others if name not in findings]
    return absent[0] if len(absent) == 1 else None


def named_class(class_names: Sequence[str], name: str) -> str:
    """Return the class with a name; case, underscores and hyphens make no difference.

    Raises:
        ValueError: no class has this name.
    """
    wanted = "".join(_words(name))
    for each in class_names:
        if "".join(_words(each)) == wanted:
            return each
    raise ValueError(f"no class {name!r}: the classes are {', '.join(class_names)}")


def finding_among(class_names: Sequence[str], named: str | None = None) -> str | None:
    """Return the finding: the named class, else the only class that is not an absence.

    Args:
        class_names: the classes.
        named: the name of one of them, or None.

    Returns:
        The finding; None if several classes are findings, or none is.

    Raises:
        ValueError: no class has the name.
    """
    if named is not None:
        return named_class(class_names, named)
    findings = findings_among(class_names)
    return findings[0] if len(findings) == 1 else None


def measured_findings(class_names: Sequence[str], named: str | None, what: str) -> tuple[str, ...]:
    """Return the findings to measure: the one that is named or clear, else all findings.

    Args:
        class_names: the classes.
        named: the name of one of them, or None.
        what: what needs the findings, as the first words of the error.

    Raises:
        ValueError: no class has the name, or there are two classes or no absence among them, and it
            is not clear which is the finding.
    """
    finding = finding_among(class_names, named)
    several = findings_among(class_names)
    if finding is None and len(several) > 1 and len(class_names) > 2:
        return several
    return (require_finding(class_names, named, what),)


def finding_note(class_names: Sequence[str], finding: str | None) -> str:
    """Say in a line which class is the finding."""
    if finding is not None:
        return f"note: the finding is {finding} (of the classes {', '.join(class_names)})"
    return f"note: each of {', '.join(findings_among(class_names))} is a finding"


def require_finding(class_names: Sequence[str], named: str | None, what: str) -> str:
    """Return the finding, as `finding_among` does, or refuse to guess it.

    Args:
        class_names: the classes.
        named: the name of one of them, or None.
        what: what needs the finding, as the first words of the error.

    Raises:
        ValueError: no class has the name, or it is not clear which class is the finding.
    """
    finding = finding_among(class_names, named)
    if finding is None:
        raise ValueError(
            f"{what} needs to know which class is the finding, and the names "
            f"{', '.join(class_names)} do not tell: name it by --finding, such as "
            f"--finding '{class_names[0]}'"
        )
    return finding


def _is_plainly_normal(name: str) -> bool:
    words = _words(name)
    if words and words[0] in _NEGATIONS:
        return bool(words[1:]) and {*words[1:]} <= _NOTHING
    return is_absence(name)


def _denies_another(name: str, class_names: Sequence[str]) -> bool:
    """Return whether a name negates that of another class: "CT NonCOVID", "CT COVID"."""
    words = _words(name)
    others = [_words(other) for other in class_names if other != name]
    for negation in ("no", "non", "not"):
        kept = [word.removeprefix(negation) for word in words if word not in _NEGATIONS]
        if kept != words and kept in others:
            return True
    return False


def _words(name: str) -> list[str]:
    """Return the words of a name in lower case, without accents and without a final number.

    Example:
        >>> _words("NORMAL2 (No Finding)"), _words("Saudável"), _words("nofinding")
        (['normal', 'no', 'finding'], ['saudavel'], ['no', 'finding'])
    """
    plain = unicodedata.normalize("NFKD", name.casefold())
    letters = "".join(each for each in plain if not unicodedata.combining(each))
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFC", letters))
    return [part for word in words for part in _parts(word)]


def _parts(word: str) -> list[str]:
    """Split "nofinding", and remove the number from "normal2"."""
    if together := _WRITTEN_TOGETHER.match(word):
        return [*together.groups()]
    unnumbered = word.rstrip("0123456789")
    return [unnumbered if unnumbered in _ABSENCE else word]
