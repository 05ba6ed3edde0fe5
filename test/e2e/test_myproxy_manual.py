"""What myproxy's manual shows its users, form by form and in words of our own: all of it loads unchanged, and does what is said."""

import subprocess
from types import SimpleNamespace

import pytest

LISTEN = """
handler = {}
function handler.on_handshake_response(client, handshake_response)
  return client:connect(one or '192.0.2.1', handshake_response, { read_only = true })
end
mysql_listen(SOCK, handler)
"""

FORMS = {
    "two callbacks, one of them empty": """
        handler = {}
        function handler.on_connect(client) end
        function handler.on_handshake_response(client, handshake_response)
          return client:err('closed today')
        end
        mysql_listen(SOCK, handler)""",
    "the sockets of systemd": "mysql_listen(systemd, { on_handshake_response = function(client, hr) return client:connect('192.0.2.1', hr) end })",
    "its shipped sample: one server, names of databases as they are": """
        local one = mysql_resolve('127.33.0.6')
        local handler = {}
        function handler.on_handshake_response(client, hr) return client:connect(one, hr) end
        function handler.on_init_db(client, name) return client:init_db(name) end
        mysql_listen(systemd, handler)""",
    "addresses": """
        one = mysql_resolve('192.0.2.1')
        two = mysql_resolve('[::1]:4000')
        three = mysql_resolve('localhost:4000')
        four = mysql_resolve('/run/four.sock')
        five = mysql_resolve('@five')
        assert(tostring(one) == '192.0.2.1:3306' and tostring(two) == '[::1]:4000' and tostring(four) == '/run/four.sock')"""
    + LISTEN,
    "a cluster": "one = mysql_cluster({ '192.0.2.1', '192.0.2.2', mysql_resolve('localhost:4000') })" + LISTEN,
    "a cluster with every option": """
        one = mysql_cluster({ '192.0.2.1', '192.0.2.2' },
          { monitoring = true, user = 'probe', password = 'x', no_read_only = true, disconnect_unavailable = true })"""
    + LISTEN,
    "attributes of a client": """
        handler = {
          on_connect = function(client)
            client.account = client.cgroup and client.cgroup.parent and client.cgroup.xattr.account or client.cgroup.path
            client.server_version = '8.0.0'
            client.notes.who = client.pid .. ' ' .. client.uid .. ' ' .. client.gid
          end,
          on_handshake_response = function(client, hr) return client:connect('192.0.2.1', { user = hr.user, password_sha1 = ('x'):rep(20) }) end,
          on_command_phase = function(client) print(client.server_version) end,
        }
        mysql_listen(SOCK, handler)""",
    "what reload means": "function reload() print('again') end" + LISTEN,
    "sodium": r"""
        assert(sodium.hex2bin('00c0ffee') == '\0\192\255\238' and sodium.bin2hex('z\0\255') == '7a00ff')
        key = sodium.randombytes(32)
        pk, sk = sodium.crypto_box_keypair()
        sealed = sodium.crypto_box_seal('a word', pk)
        assert(sodium.crypto_box_seal_open(sealed, pk, sk) == 'a word' and sodium.crypto_scalarmult_base(sk) == pk)"""
    + LISTEN,
    "a database": """
        db = pg:new('dbname=nowhere', 'a_schema')
        db:listen('channel', function() print('called') end)
        assert(pg:decode_array(pg:encode_array({ 'a', 'b' }))[2] == 'b')
        function later()
          local result = assert(db:execute('SELECT name FROM t WHERE id=$1', { 42 }))
          local row = result:fetch({}, 'a')
          print(row.name)
        end"""
    + LISTEN,
}


@pytest.fixture(scope="session")
def server():
    """No test here needs a database."""
    return SimpleNamespace(address="127.0.0.1:1", socket="/nowhere")


@pytest.mark.parametrize("form", FORMS)
def test_it_loads(daemons, form):
    daemon = daemons(FORMS[form], workers=None)
    done = subprocess.run(daemon.command("--check"), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "on_handshake_response" in done.stdout and "workers 1\n" in done.stdout
