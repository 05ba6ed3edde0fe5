#include "script/apps_file.hh"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <utility>

#include "data/json.hh"
#include "data/toml.hh"
#include "data/yaml.hh"
#include "net/address.hh"
#include "script/schema.hh"

namespace perilune::script {

namespace {

using data::Member;
using data::Tree;

// --- values

Converted count(const Tree& tree, std::string_view key) {
  return whole(tree, key, 1, std::numeric_limits<std::uint32_t>::max());
}

Converted retries(const Tree& tree, std::string_view key) { return whole(tree, key, 0, 100); }

Converted weight(const Tree& tree, std::string_view key) { return whole(tree, key, 1, 65535); }

Converted balance(const Tree& tree, std::string_view key) {
  constexpr std::array<std::string_view, 6> kWords{
      "round_robin", "least_connections", "source_hash", "consistent_hash", "random", "first"};
  return one_of(tree, key, kWords);
}

Converted proxy_version(const Tree& tree, std::string_view key) {
  constexpr std::array<std::string_view, 2> kWords{"v1", "v2"};
  return one_of(tree, key, kWords);
}

// With a single word for what else it could be: true is that, false nothing.
Converted sticky(const Tree& tree, std::string_view key) {
  constexpr std::array<std::string_view, 1> kWords{"source_hash"};
  const auto* const flag = std::get_if<bool>(&tree.what);
  if (flag == nullptr) return one_of(tree, key, kWords);
  return *flag ? Converted{std::string(kWords[0])} : Converted{std::monostate{}};
}

Converted target_address(const Tree& tree, std::string_view key) {
  const auto& address = expect<std::string>(tree, key, "an address");
  const auto endpoint = net::parse_endpoint(address, std::nullopt);
  if (!endpoint) throw Mistake(tree.line, fmt::format("'{}': {}", key, endpoint.error().message));
  return address;
}

Converted health(const Tree& tree, std::string_view key) {
  constexpr std::array<Key, 4> kKeys{{{"Interval", "interval", duration},
                                      {"Timeout", "timeout", duration},
                                      {"Rise", "rise", count},
                                      {"Fall", "fall", count}}};
  if (std::holds_alternative<bool>(tree.what)) return tree.what;
  return read_map(tree, key, kKeys);
}

Converted tls(const Tree& tree, std::string_view key) {
  constexpr std::array<Key, 4> kKeys{{{"Cert", "cert", text},
                                      {"Key", "key", text},
                                      {"ClientCA", "client_ca", text},
                                      {"MinVersion", "min_version", text}}};
  Tree::Map map = read_map(tree, key, kKeys);
  require(map, "cert", "Cert", tree.line);
  return map;
}

// --- targets and ports

Converted target(const Tree& tree, std::string_view key) {
  constexpr std::array<Key, 5> kKeys{{{"Address", "address", target_address},
                                      {"Weight", "weight", weight},
                                      {"Backup", "backup", boolean},
                                      {"MaxConnections", "max_connections", count},
                                      {"Name", "name", text}}};
  if (std::holds_alternative<std::string>(tree.what)) {
    return Tree::Map{{"address", {target_address(tree, key), tree.line}}};
  }
  Tree::Map map = read_map(tree, key, kKeys);
  require(map, "address", "Address", tree.line);
  return map;
}

Converted targets(const Tree& tree, std::string_view key) {
  expect<Tree::List>(tree, key, "a list");
  return list_of(tree, key, target);
}

Converted port(const Tree& tree, std::string_view key) {
  return whole(tree, key, 1, std::numeric_limits<std::uint16_t>::max());
}

Converted ports(const Tree& tree, std::string_view key) { return list_of(tree, key, port); }

std::string with_port(const std::string& host, double port) {
  const bool is_bare_ipv6 = host.find(':') != std::string::npos && !host.starts_with('[');
  return is_bare_ipv6 ? fmt::format("[{}]:{:.0f}", host, port)
                      : fmt::format("{}:{:.0f}", host, port);
}

Converted listen_host(const Tree& tree, std::string_view key) {
  const auto& host = expect<std::string>(tree, key, "an address");
  const auto address = net::parse_listen_address(with_port(host, 1), std::nullopt);
  const bool is_host = address && address->is_tcp() && address->port() == 1;
  if (is_host) return host;
  throw Mistake(tree.line, fmt::format("'{}': a numeric address without a port expected, got '{}'",
                                       key, host));
}

Converted listen_hosts(const Tree& tree, std::string_view key) {
  return list_of(tree, key, listen_host);
}

// --- apps

constexpr std::array<Key, 13> kAppKeys{{{"Name", "name", text},
                                        {"Ports", "ports", ports},
                                        {"Targets", "targets", targets},
                                        {"Listen", "listen", listen_hosts},
                                        {"Balance", "balance", balance},
                                        {"Health", "health", health},
                                        {"Sticky", "sticky", sticky},
                                        {"MaxConnections", "max_connections", count},
                                        {"TLS", "tls", tls},
                                        {"ConnectTimeout", "connect_timeout", duration},
                                        {"IdleTimeout", "idle_timeout", duration},
                                        {"Retry", "retry", retries},
                                        {"SendProxy", "send_proxy", proxy_version}}};

void check_balance(const Tree::Map& app) {
  const Tree* const wanted = find(app, "sticky");
  const Tree* const chosen = find(app, "balance");
  if (wanted == nullptr || chosen == nullptr) return;
  const auto* const method = std::get_if<std::string>(&wanted->what);
  if (method == nullptr || *method == std::get<std::string>(chosen->what)) return;
  throw Mistake(wanted->line, "'Sticky' is a balance of its own: remove 'Balance'");
}

// Converted is listened at, and by whom.
using Places = std::map<std::string, std::string>;

// The addresses instead of ports.
Tree::List read_places(const Tree::Map& app, const std::string& name, Places& places) {
  const Tree any{Tree::List{Tree{std::string("*")}}};
  const Tree* const given = find(app, "listen");
  const auto& hosts = std::get<Tree::List>((given != nullptr ? given : &any)->what);
  Tree::List list;
  for (const Tree& port : std::get<Tree::List>(find(app, "ports")->what)) {
    for (const Tree& host : hosts) {
      std::string place = with_port(std::get<std::string>(host.what), std::get<double>(port.what));
      const auto [owner, is_new] = places.emplace(place, name);
      if (!is_new) {
        throw Mistake(port.line,
                      fmt::format("'Ports': {} belongs to app '{}' already", place, owner->second));
      }
      list.push_back({std::move(place), port.line});
    }
  }
  return list;
}

void check_name(const Tree::Map& app, const Places& places) {
  const Tree& name = *find(app, "name");
  for (const auto& [place, owner] : places) {
    if (owner == std::get<std::string>(name.what)) {
      throw Mistake(name.line, "'Name': another app has it already");
    }
  }
}

Tree read_app(const Tree& tree, Places& places) {
  Tree::Map app = read_map(tree, "Apps", kAppKeys);
  for (const std::string_view name : {"Name", "Ports", "Targets"}) {
    require(app, plain(name), name, tree.line);
  }
  check_balance(app);
  check_name(app, places);
  Tree::List list = read_places(app, std::get<std::string>(find(app, "name")->what), places);
  app.push_back({"listen", {std::move(list), 0}, 0});
  app.push_back({"line", {static_cast<double>(tree.line), 0}, 0});
  return {std::move(app), tree.line};
}

// For messages: the app's name, or its number if that is what is wrong.
std::string title_of(const Tree& tree, std::size_t number) {
  if (const auto* map = std::get_if<Tree::Map>(&tree.what)) {
    for (const Member& member : *map) {
      const auto* const name = std::get_if<std::string>(&member.value.what);
      if (plain(member.key) == "name" && name != nullptr) return fmt::format("app '{}'", *name);
    }
  }
  return fmt::format("app {}", number);
}

Converted apps(const Tree& tree, std::string_view key) {
  Tree::List list;
  Places places;
  for (const Tree& element : expect<Tree::List>(tree, key, "a list")) {
    try {
      list.push_back(read_app(element, places));
    } catch (const Mistake& mistake) {
      throw Mistake(mistake.line(),
                    fmt::format("{}: {}", title_of(element, list.size() + 1), mistake.what()));
    }
  }
  if (list.empty()) throw Mistake(tree.line, "'Apps' is empty");
  return list;
}

Tree read_file(const Tree& tree) {
  constexpr std::array<Key, 1> kKeys{{{"Apps", "apps", apps}}};
  const Tree::Map file = read_map(tree, "the file", kKeys);
  return require(file, "apps", "Apps", tree.line);
}

// --- the file

struct Format {
  std::string_view ending;
  Result<Tree, Failure> (*parse)(std::string_view text);
};

constexpr std::array<Format, 4> kFormats{{{".json", data::parse_json},
                                          {".yaml", data::parse_yaml},
                                          {".yml", data::parse_yaml},
                                          {".toml", data::parse_toml}}};

const Format* format_of(std::string_view path) noexcept {
  const auto is_its = [path](const Format& format) {
    if (path.size() < format.ending.size()) return false;
    const auto same = [](char a, char b) {
      return std::tolower(static_cast<unsigned char>(a)) == b;
    };
    return std::ranges::equal(path.substr(path.size() - format.ending.size()), format.ending, same);
  };
  const auto found = std::ranges::find_if(kFormats, is_its);
  return found == kFormats.end() ? nullptr : &*found;
}

}  // namespace

bool is_apps_file(std::string_view path) noexcept { return format_of(path) != nullptr; }

Result<Tree, Failure> read_apps(std::string_view label, std::string_view text) {
  const Format* const format = format_of(label);
  if (format == nullptr) {
    return Failure{fmt::format("{}: the name must end in .json, .yaml, .yml or .toml", label)};
  }
  const auto parsed = format->parse(text);
  if (!parsed) return Failure{fmt::format("{}: {}", label, parsed.error().message)};
  try {
    return read_file(*parsed);
  } catch (const Mistake& mistake) {
    if (mistake.line() == 0) return Failure{fmt::format("{}: {}", label, mistake.what())};
    return Failure{fmt::format("{}:{}: {}", label, mistake.line(), mistake.what())};
  }
}

}  // namespace perilune::script
