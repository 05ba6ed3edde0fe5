// The commands that show something.

#include <fmt/format.h>

#include <chrono>
#include <cstdio>

#include "ctl/commands.hh"
#include "ctl/table.hh"
#include "ctl/text.hh"

namespace perilune::ctl {

namespace {

double now() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(since).count();
}

std::string age(const Json& json, const char* member) {
  return short_time(now() - number_of(json, member));
}

int print_json(const Json& json) {
  std::puts(json.dump(2).c_str());
  return 0;
}

void warn_of_silence(const Json& answer) {
  for (const Json& worker : answer.value("silent_workers", Json::array())) {
    std::fprintf(stderr, "worker %s does not answer, its sessions are missing\n",
                 worker.dump().c_str());
  }
}

// "12s SELECT …": since when, and what.
std::string statement_of(const Json& session) {
  const Json& statement = session.at("statement");
  if (statement.is_null()) return "-";
  std::string text = text_of(statement, "kind");
  const std::string body = text_of(statement, "text");
  if (!body.empty()) text = body;
  if (statement.value("cut", false)) text += "…";
  return text;
}

std::string busy_for(const Json& session) {
  const Json& statement = session.at("statement");
  const bool is_running = !statement.is_null() && statement.value("running", false);
  return is_running ? short_time(number_of(statement, "age")) : "-";
}

}  // namespace

Arguments selection_of(const Wish& wish) {
  Arguments arguments{{"sort", wish.sort}, {"limit", std::to_string(wish.limit)}};
  for (const std::string& filter : wish.filters) {
    const std::size_t sign = filter.find('=');
    if (sign == filter.npos) throw Failure("--filter " + filter + ": FIELD=VALUE expected");
    arguments.emplace(filter.substr(0, sign), filter.substr(sign + 1));
  }
  return arguments;
}

int show_status(const Wish& wish) {
  Client client{wish.where};
  const Json status = client.get("/status");
  if (wish.json) return print_json(status);
  const auto line = [](const char* name, const std::string& value) {
    std::printf("%-12s %s\n", name, value.c_str());
  };
  line("version", text_of(status, "version"));
  line("pid", text_of(status, "pid"));
  line("config", text_of(status, "config"));
  line("up", short_time(number_of(status, "uptime")));
  for (const char* name :
       {"generation", "listeners", "sessions", "connections", "logins", "statements", "lua_errors"}) {
    line(name, text_of(status, name));
  }
  line("bytes in", short_count(number_of(status, "bytes_in")));
  line("bytes out", short_count(number_of(status, "bytes_out")));
  std::puts("");
  Table table{{{"WORKER", true}, {"SESSIONS", true}, {"LUA MEMORY", true}}};
  for (const Json& worker : status.at("workers")) {
    table.add({text_of(worker, "worker"), text_of(worker, "sessions"),
               short_count(number_of(worker, "lua_memory"))});
  }
  print(table);
  warn_of_silence(status);
  return 0;
}

int show_sessions(const Wish& wish) {
  Client client{wish.where};
  const Json answer = client.get("/sessions", selection_of(wish));
  if (wish.json) return print_json(answer);
  Table table{{{"ID", true},
               {"USER"},
               {"ACCOUNT"},
               {"DATABASE"},
               {"CLIENT"},
               {"SERVER"},
               {"AGE", true},
               {"IN", true},
               {"OUT", true},
               {"STMTS", true},
               {"WAITS FOR"},
               {"BUSY", true},
               {"STATEMENT"}}};
  const Json& sessions = answer.at("sessions");
  for (const Json& session : sessions) {
    table.add({text_of(session, "id"), text_of(session, "user"), text_of(session, "account"),
               text_of(session, "database"), text_of(session, "address"),
               text_of(session, "server"), age(session, "connected_at"),
               short_count(number_of(session, "bytes_in")),
               short_count(number_of(session, "bytes_out")), text_of(session, "statements"),
               text_of(session, "waits_for"), busy_for(session), statement_of(session)});
  }
  print(table);
  const auto total = answer.at("total").get<std::size_t>();
  if (total > sessions.size()) {
    std::fprintf(stderr, "%zu of %zu sessions; --limit shows more\n", sessions.size(), total);
  }
  warn_of_silence(answer);
  return 0;
}

int show_nodes(const Wish& wish) {
  Client client{wish.where};
  const Json answer = client.get("/clusters");
  if (wish.json) return print_json(answer);
  Table table{{{"CLUSTER"},
               {"NODE"},
               {"STATE"},
               {"SINCE", true},
               {"SESSIONS", true},
               {"CONNECTS", true},
               {"ERRORS", true},
               {"STMTS", true},
               {"REASON"}}};
  for (const Json& cluster : answer.at("clusters")) {
    const std::string name = text_of(cluster, "cluster");
    for (const Json& node : cluster.at("nodes")) {
      table.add({name, text_of(node, "node"), text_of(node, "state"), age(node, "since"),
                 text_of(node, "sessions"), text_of(node, "connects"),
                 text_of(node, "connect_errors"), text_of(node, "statements"),
                 text_of(node, "reason")});
      if (!wish.history) continue;
      for (const Json& before : node.at("history")) {
        table.add({"", "  before", text_of(before, "state"), age(before, "since"), "", "", "", "",
                   text_of(before, "reason")});
      }
    }
  }
  print(table);
  return 0;
}

int show_listeners(const Wish& wish) {
  Client client{wish.where};
  const Json answer = client.get("/listeners");
  if (wish.json) return print_json(answer);
  Table table{{{"LISTENER"},
               {"PROTOCOL"},
               {"SESSIONS", true},
               {"CONNECTIONS", true},
               {"LOGINS", true},
               {"STMTS", true}}};
  for (const Json& listener : answer.at("listeners")) {
    table.add({text_of(listener, "listener"), text_of(listener, "protocol"),
               text_of(listener, "sessions"), text_of(listener, "connections"),
               text_of(listener, "logins"), text_of(listener, "statements")});
  }
  print(table);
  return 0;
}

int show_logs(const Wish& wish) {
  Client client{wish.where};
  const Json answer = client.get("/logs");
  if (wish.json) return print_json(answer);
  Table table{{{"LOG"},
               {"KIND"},
               {"FORMAT"},
               {"WRITTEN", true},
               {"DROPPED", true},
               {"ERRORS", true},
               {"BYTES", true},
               {"WAITING", true},
               {"MOST", true},
               {"BUFFER", true}}};
  for (const Json& log : answer.at("logs")) {
    table.add({text_of(log, "log"), text_of(log, "kind"), text_of(log, "format"),
               text_of(log, "written"), text_of(log, "dropped"), text_of(log, "errors"),
               short_count(number_of(log, "bytes")), short_count(number_of(log, "waiting")),
               short_count(number_of(log, "high_water")), short_count(number_of(log, "buffer"))});
  }
  print(table);
  return 0;
}

int show_generations(const Wish& wish) {
  Client client{wish.where};
  const Json answer = client.get("/generations");
  if (wish.json) return print_json(answer);
  Table table{{{"GENERATION", true}, {"AGE", true}, {"SESSIONS", true}, {"STATE"}}};
  for (const Json& generation : answer.at("generations")) {
    table.add({text_of(generation, "generation"), age(generation, "loaded_at"),
               text_of(generation, "sessions"),
               generation.value("current", false) ? "current" : "old"});
  }
  print(table);
  warn_of_silence(answer);
  return 0;
}

}  // namespace perilune::ctl
