"""Runs in the environment of one scanner: reads the path of a file per line, has it scanned by the scanner's own library,
and answers with one line of JSON: verdict, detail and seconds. usage: worker.py picklescan|fickling|modelscan|modelaudit

The verdicts are those of our index: malicious, suspicious, clean, skipped (it was not looked at), error (the scan failed).
None of these libraries loads what it scans, as their sources say; scoreboard.py takes the network away all the same."""

import io
import json
import logging
import os
import sys
import time
import zipfile


def picklescan():
    from picklescan.scanner import SafetyLevel, scan_file_path

    def scan(path):
        result = scan_file_path(path)
        detail = [f"{g.module}.{g.name}" for g in result.globals if g.safety != SafetyLevel.Innocuous]
        levels = {g.safety for g in result.globals}
        if SafetyLevel.Dangerous in levels:
            return "malicious", detail
        if result.scan_err:
            return "error", detail
        if SafetyLevel.Suspicious in levels:
            return "suspicious", detail
        return ("clean" if result.scanned_files else "skipped"), detail

    return scan


def fickling():
    from fickling.analysis import Severity
    from fickling.loader import scan_file, scan_zip_archive

    def scan(path):
        if zipfile.is_zipfile(path):
            results = list(scan_zip_archive(path, graceful=True, json_output_path=os.devnull).values())
        else:
            results = [scan_file(path, graceful=True, json_output_path=os.devnull)]
        if not results:
            return "skipped", []
        worst = max((result.severity for result in results), key=lambda severity: severity.value)
        if worst >= Severity.LIKELY_UNSAFE:
            return "malicious", [worst.name]
        failed = any(result.errors for result in results)
        return ("suspicious" if worst > Severity.LIKELY_SAFE or failed else "clean"), [worst.name]

    return scan


def modelscan():
    from modelscan.modelscan import ModelScan

    def scan(path):
        found = ModelScan().scan(path)
        levels = {issue["severity"] for issue in found["issues"]}
        detail = [issue["description"] for issue in found["issues"]]
        if levels & {"CRITICAL", "HIGH"}:
            return "malicious", detail
        if levels:
            return "suspicious", detail
        if found["errors"]:
            return "error", [str(error.get("description")) for error in found["errors"]]
        return ("clean" if found["summary"]["scanned"]["total_scanned"] else "skipped"), detail

    return scan


def modelaudit():
    from modelaudit.core import scan_model_directory_or_file

    def scan(path):
        found = scan_model_directory_or_file(path, timeout=30, cache_enabled=False)
        levels = {str(getattr(issue.severity, "value", issue.severity)).lower() for issue in found.issues}
        detail = [issue.message for issue in found.issues]
        if "critical" in levels:
            return "malicious", detail
        if "warning" in levels:
            return "suspicious", detail
        if found.has_errors or not found.success:
            return "error", detail
        return ("clean" if found.files_scanned else "skipped"), detail

    return scan


def main():
    # What a scanner prints is not our answer.
    answers, sys.stdout = sys.stdout, io.TextIOWrapper(open(os.devnull, "wb"))
    logging.disable(logging.CRITICAL)
    scan = {"picklescan": picklescan, "fickling": fickling, "modelscan": modelscan, "modelaudit": modelaudit}[sys.argv[1]]()
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        start = time.monotonic()
        try:
            verdict, detail = scan(line.rstrip("\n"))
        except Exception as error:  # whatever a scanner fails with is its verdict
            verdict, detail = "error", [f"{type(error).__name__}: {error}"]
        seconds = time.monotonic() - start
        answer = {"verdict": verdict, "detail": [text[:160] for text in map(str, detail[:3])], "seconds": seconds}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
