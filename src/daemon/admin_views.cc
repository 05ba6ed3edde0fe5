// What Admin shows.

#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <stdexcept>
#include <utility>

#include "daemon/admin.hh"
#include "daemon/admin_ask.hh"
#include "daemon/admin_json.hh"
#include "session/selection.hh"
#include "session/session.hh"
#include "util/parse.hh"

namespace perilune::daemon {

namespace {

using session::Selection;

Json json_of(const session::SessionView& view) {
  const session::SessionRow& row = view.row;
  Json json{
      {"id", row.id},
      {"protocol", session::name_of(row.protocol)},
      {"listener", view.listener},
      {"address", row.address.text()},
      {"user", text_or_null(row.user)},
      {"account", text_or_null(row.account)},
      {"database", text_or_null(row.database)},
      {"server", text_or_null(row.server.text())},
      {"connected_at", seconds_of(row.connected_at)},
      {"bytes_in", row.bytes_in},
      {"bytes_out", row.bytes_out},
      {"statements", row.queries},
      {"waits_for", view.waits_for},
      {"worker", row.worker},
      {"generation", view.generation},
      {"draining", row.draining},
      {"statement", nullptr},
  };
  if (view.statement_kind.empty()) return json;
  json["statement"] = {{"kind", view.statement_kind},
                       {"text", view.statement},
                       {"cut", view.is_cut},
                       {"running", view.is_running},
                       {"age", static_cast<double>(view.statement_age.count()) / 1000}};
  return json;
}

std::uint64_t number_of(const std::string& name, const std::string& value, std::uint64_t most) {
  const auto number = parse_unsigned(value, most);
  if (!number) throw std::invalid_argument(name + ": " + number.error().message);
  return *number;
}

// Throws std::invalid_argument for what is no selection.
Selection selection_of(const HttpRequest& request) {
  Selection selection;
  for (const auto& [name, value] : request.arguments) {
    if (name == "limit") {
      selection.limit = number_of(name, value, Selection::kMost);
    } else if (name == "after") {
      selection.after = static_cast<std::uint32_t>(number_of(name, value, ~0U));
    } else if (name == "sort") {
      const auto order = session::order_of(value);
      if (!order) throw std::invalid_argument("sort: id, age, bytes, statements or busy");
      selection.order = *order;
    } else if (session::is_field(name)) {
      selection.fields[name] = value;
    } else {
      throw std::invalid_argument("unknown argument: " + name);
    }
  }
  return selection;
}

Json json_of(const cluster::NodeStatus& status) {
  return {{"state", cluster::name_of(status.state)},
          {"reason", text_or_null(status.reason)},
          {"since", seconds_of(status.since)}};
}

Json json_of(const cluster::Member& member) {
  const cluster::Node& node = *member.node;
  const stats::NodeSum traffic = node.traffic();
  Json json = json_of(node.status());
  json["node"] = member.text();
  json["address"] = node.text();
  json["weight"] = member.settings.weight;
  json["backup"] = member.settings.backup;
  json["max_connections"] = member.settings.max_connections;
  json["sessions"] = node.sessions();
  json["connects"] = node.connected();
  json["connect_errors"] = node.failed();
  json["statements"] = traffic.statements;
  json["sent_bytes"] = traffic.to_server;
  json["received_bytes"] = traffic.from_server;
  json["history"] = Json::array();
  for (const auto& before : node.history()) json["history"].push_back(json_of(before));
  return json;
}

// In the order of QueryLogOptions's enumerators.
constexpr std::array kKinds{"file", "socket", "syslog", "journal"};
constexpr std::array kFormats{"text", "json", "raw"};
constexpr std::array kOnFull{"drop", "block"};

template <std::size_t Count, typename E>
const char* name_in(const std::array<const char*, Count>& names, E value) {
  return names.at(static_cast<std::size_t>(value));
}

using Sums = std::map<std::uint64_t, std::size_t>;

}  // namespace

HttpResponse Admin::status(const HttpRequest&) {
  struct Worker {
    unsigned index = 0;
    std::size_t sessions = 0;
  };
  std::vector<unsigned> silent;
  auto workers = ask_workers<Worker>(
      [](const Branch& there) {
        Worker worker{there.worker, 0};
        there.sessions->for_each([&worker](session::Session&) { ++worker.sessions; });
        return worker;
      },
      silent);
  const auto generation = current();
  const std::chrono::duration<double> uptime = std::chrono::system_clock::now() - started_at_;
  Json json{{"version", PERILUNE_VERSION},
            {"pid", ::getpid()},
            {"config", sources_.config},
            {"started_at", seconds_of(started_at_)},
            {"uptime", uptime.count()},
            {"generation", generation ? generation->number() : 0},
            {"listeners", generation ? generation->listeners().size() : 0},
            {"connections", sources_.registry.sum(&stats::Cells::connections_accepted)},
            {"logins", sources_.registry.sum(&stats::Cells::logins_accepted)},
            {"statements", sources_.registry.sum(&stats::Cells::statements)},
            {"bytes_in", sources_.registry.sum(&stats::Cells::client_bytes)},
            {"bytes_out", sources_.registry.sum(&stats::Cells::server_bytes)},
            {"lua_errors", sources_.registry.sum(&stats::Cells::lua_errors)},
            {"sessions", sources_.registry.sum(&stats::Cells::sessions_open)},
            {"workers", Json::array()},
            {"silent_workers", silent}};
  for (const Worker& worker : workers) {
    json["workers"].push_back(
        {{"worker", worker.index},
         {"sessions", worker.sessions},
         {"lua_memory", sources_.registry.worker(worker.index).lua_memory.read()}});
  }
  return json_response(json);
}

HttpResponse Admin::sessions(const HttpRequest& request) {
  const Selection selection = selection_of(request);
  std::vector<unsigned> silent;
  auto pages = ask_workers<session::SessionPage>(
      [selection](const Branch& there) {
        return session::select(*there.sessions, there.worker, selection);
      },
      silent);
  session::SessionPage all;
  for (auto& page : pages) session::merge(all, std::move(page), selection);
  Json json{{"total", all.total}, {"silent_workers", silent}, {"sessions", Json::array()}};
  for (const auto& view : all.rows) json["sessions"].push_back(json_of(view));
  return json_response(json);
}

HttpResponse Admin::clusters(const HttpRequest&) {
  Json json{{"clusters", Json::array()}};
  for (const auto& cluster : sources_.clusters.all()) {
    if (!cluster->is_active()) continue;
    Json nodes = Json::array();
    const auto members = cluster->members();
    for (const cluster::Member& member : *members) nodes.push_back(json_of(member));
    json["clusters"].push_back({{"cluster", cluster->name()},
                                {"protocol", cluster->settings().protocol},
                                {"monitored", cluster->is_monitored()},
                                {"nodes", std::move(nodes)}});
  }
  return json_response(json);
}

HttpResponse Admin::listeners(const HttpRequest&) {
  Json json{{"listeners", Json::array()}};
  const auto generation = current();
  if (!generation) return json_response(json);
  for (const auto& listener : generation->listeners()) {
    const auto& declared = listener->declaration;
    const auto& counts = *listener->counts;
    json["listeners"].push_back(
        {{"listener", declared.label},
         {"protocol", session::name_of(declared.protocol)},
         {"callbacks", declared.callbacks},
         {"max_connections", declared.options.max_connections},
         {"sessions", counts.sum(&stats::Cells::sessions_open)},
         {"connections", counts.sum(&stats::Cells::connections_accepted)},
         {"logins", counts.sum(&stats::Cells::logins_accepted)},
         {"statements", counts.sum(&stats::Cells::statements)}});
  }
  return json_response(json);
}

HttpResponse Admin::logs(const HttpRequest&) {
  Json json{{"logs", Json::array()}};
  for (const log::Writer::View& view : sources_.logs.logs()) {
    json["logs"].push_back({{"log", view.options.target},
                            {"kind", name_in(kKinds, view.options.where)},
                            {"format", name_in(kFormats, view.options.format)},
                            {"on_full", name_in(kOnFull, view.options.on_full)},
                            {"buffer", view.options.buffer},
                            {"written", view.sums.written},
                            {"dropped", view.sums.dropped},
                            {"bytes", view.sums.bytes},
                            {"errors", view.sums.errors},
                            {"waiting", view.sums.waiting},
                            {"high_water", view.sums.high_water}});
  }
  return json_response(json);
}

HttpResponse Admin::generations(const HttpRequest&) {
  std::vector<unsigned> silent;
  const auto counts = ask_workers<Sums>(
      [](const Branch& there) {
        Sums sums;
        there.sessions->for_each(
            [&sums](const session::Session& session) { ++sums[session.listener().generation]; });
        return sums;
      },
      silent);
  Sums sums;
  for (const Sums& more : counts) {
    for (const auto& [number, count] : more) sums[number] += count;
  }
  Json json{{"generations", Json::array()}, {"silent_workers", silent}};
  const auto known = generations_.get();
  for (const Loaded& loaded : *known) {
    if (loaded.generation.expired()) continue;
    json["generations"].push_back({{"generation", loaded.number},
                                   {"loaded_at", seconds_of(loaded.at)},
                                   {"current", &loaded == &known->back()},
                                   {"sessions", sums[loaded.number]}});
  }
  return json_response(json);
}

}  // namespace perilune::daemon
