"""A YAML language server, spoken to over its standard streams as an editor does."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = "yaml-language-server"
VARIABLE = "YAML_LANGUAGE_SERVER"
HOW = f"no {PROGRAM}: `npm install -g {PROGRAM}`, or name the program by {VARIABLE}"
SETTINGS = {
    "yaml": {
        "validate": True,
        "completion": True,
        "hover": True,
        # Its list of the world's schemas stands on a server.
        "schemaStore": {"enable": False},
    }
}
MARKDOWN = {"documentationFormat": ["markdown"], "snippetSupport": True}
ABLE = {
    "textDocument": {
        "hover": {"contentFormat": ["markdown"]},
        "completion": {"completionItem": MARKDOWN},
        "publishDiagnostics": {},
    },
    "workspace": {"configuration": True},
}


def program() -> str | None:
    """The server's program, if there is one here."""
    return os.environ.get(VARIABLE) or shutil.which(PROGRAM)


class Editor:
    """Opens texts, and asks what an editor asks."""

    def __init__(self, server: "subprocess.Popen[bytes]", root: Path) -> None:
        self._server = server
        self._asked = 0
        self._marked: dict[str, list[Any]] = {}
        self._ask(
            "initialize",
            {"processId": os.getpid(), "rootUri": root.as_uri(), "capabilities": ABLE},
        )
        self._send({"method": "initialized", "params": {}})

    def underlined(self, file: Path, text: str) -> dict[int, str]:
        """What is underlined in a text, by its line from 0."""
        uri = self._open(file, text)
        while uri not in self._marked:
            self._read()
        return {d["range"]["start"]["line"]: d["message"] for d in self._marked[uri]}

    def completions(self, file: Path, text: str) -> dict[str, str]:
        """What is offered at the `|` of a text, with its documentation."""
        found = self._at(file, text, "completion")
        return {item["label"]: _words(item.get("documentation", "")) for item in found["items"]}

    def hover(self, file: Path, text: str) -> str:
        """What is shown where the pointer rests on the `|` of a text."""
        found = self._at(file, text, "hover")
        return _words(found["contents"]) if found else ""

    def _at(self, file: Path, text: str, what: str) -> Any:
        before, _, after = text.partition("|")
        uri = self._open(file, before + after)
        line, column = before.count("\n"), len(before) - before.rfind("\n") - 1
        position = {"line": line, "character": column}
        params = {"textDocument": {"uri": uri}, "position": position}
        return self._ask(f"textDocument/{what}", params)

    def _open(self, file: Path, text: str) -> str:
        # Each text is a file of its own to the server: what it said of another is not mixed in.
        self._asked += 1
        uri = file.with_stem(f"{file.stem}_{self._asked}").as_uri()
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self._send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
        return uri

    def _ask(self, method: str, params: Mapping[str, Any]) -> Any:
        self._asked += 1
        number = self._asked
        self._send({"id": number, "method": method, "params": params})
        while True:
            message = self._read()
            if message.get("id") == number and "method" not in message:
                return message["result"]

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._server.stdin is not None
        data = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._server.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(data), data))
        self._server.stdin.flush()

    def _read(self) -> dict[str, Any]:
        assert self._server.stdout is not None
        size = 0
        while line := self._server.stdout.readline().strip():
            name, _, value = line.partition(b":")
            size = int(value) if name.lower() == b"content-length" else size
        assert size, "the language server ended"
        message: dict[str, Any] = json.loads(self._server.stdout.read(size))
        if message.get("method") == "textDocument/publishDiagnostics":
            self._marked[message["params"]["uri"]] = message["params"]["diagnostics"]
        elif "method" in message and "id" in message:
            self._answer(message)
        return message

    def _answer(self, message: Mapping[str, Any]) -> None:
        result = None
        if message["method"] == "workspace/configuration":
            items = message["params"]["items"]
            result = [SETTINGS.get(item.get("section"), {}) for item in items]
        self._send({"id": message["id"], "result": result})


@contextmanager
def editor(root: Path) -> Iterator[Editor]:
    """An editor on a folder, with a server of its own."""
    command = [str(program()), "--stdio"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        try:
            yield Editor(server, root)
        finally:
            server.kill()


def _words(documentation: Any) -> str:
    return documentation if isinstance(documentation, str) else str(documentation["value"])
