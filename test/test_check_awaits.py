"""The await lint finds every form that GCC 12 miscompiles, and lets the four good ones pass."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from check_awaits import bad_awaits, main  # noqa: E402

GOOD = [
    "co_await f(a);",
    "co_await stream.fill();",
    "co_await std::move(task);",
    "co_await event::Sleep(loop, delay);",
    "co_await *latch;",
    "const Login login = co_await client.receive_login();",
    "const auto decision = co_await session.hooks().on_login(std::move(login));",
    "std::optional<std::vector<int>> x = co_await f(a);",
    "const std::uint8_t* p = co_await f();",
    "auto& r = co_await f();",
    "x = co_await f(a);",
    "self->member_ = co_await f(a);",
    "results[i] = co_await f(a);",
    "co_return co_await f(a);",
    "for (;;) { co_await f(); }",
    "if (x) { co_await f(); } else { co_await g(); }",
    "switch (x) { case Kind::Rows: co_await f(); break; default: co_await g(); }",
    "if (x) co_await f();",
    "else co_await f();",
    "while (queue.size() > limit(2)) co_await f();",
    "if (x) y = co_await f();",
    "if (!call.start([&text](State* L) { push({1, 2}); return go(L, text); })) co_await call.finish();",
    "run([] { g(); });\nco_await f();",
    "co_await event::Sleep(loop, Millis{50});",
    "Waiter operator co_await() noexcept { return Waiter{*this}; }",
    "// if (co_await f()) x;",
    'log("co_await f() ? 1 : 2; if (co_await x)");',
    "char c = 'x'; co_await f();",
    "int separators = 1'000'000; co_await f();",
    "/* co_await\n a && b */ co_await f();",
]

BAD = [
    "if (co_await f()) g();",
    "if (co_await f()) { g(); }",
    "while (co_await f()) { g(); }",
    "do { g(); } while (co_await f());",
    "switch (co_await f()) { }",
    "for (auto x : co_await f()) { }",
    "if (x) if (co_await f()) g();",
    "if (x) g(co_await f());",
    "co_await f({.host = h});",
    "co_await f(Options{a, b});",
    "co_await f(\n  Options{a,\n b},\n 5);",
    "run([] { g(co_await f()); });",
    "co_await f([x](int a) { return a; });",
    "co_await [x]() -> Task<> { co_return; }();",
    "x = c ? co_await f() : co_await g();",
    "co_await (c ? f() : g());",
    "const bool b = a && co_await f();",
    "const bool b = co_await f() || a;",
    "throw co_await f();",
    "CHECK(co_await f());",
    "g(co_await f());",
    "auto [a, b] = co_await f();",
    "x += co_await f();",
    "const int y = 1 + co_await f();",
    "co_return g(co_await f());",
    "return !co_await f();",
]


@pytest.mark.parametrize("text", GOOD)
def test_lets_pass(text):
    assert list(bad_awaits(text)) == []


@pytest.mark.parametrize("text", BAD)
def test_finds(text):
    assert list(bad_awaits(text)) != []


def test_names_the_line():
    assert [line for line, _ in bad_awaits("a();\n/* x\n */ b();\n\n  if (co_await f())\n g();\n")] == [5]


def test_exit_status(tmp_path, capsys):
    good, bad = tmp_path / "good.cc", tmp_path / "bad.cc"
    good.write_text("co_await f();\n")
    assert main([str(tmp_path)]) == 0
    bad.write_text("\ng(co_await f());\n")
    assert main([str(tmp_path)]) == 1
    assert f"{bad}:2:" in capsys.readouterr().out
