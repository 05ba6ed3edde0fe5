#pragma once

// An exchange between two peers that speak in tags, for tests that spell out what they send.

#include <string>
#include <string_view>

#include "support/catch.hh"
#include "wire/postgres/exchange.hh"
#include "wire/postgres/framing.hh"

namespace perilune::test::postgres {

using namespace perilune::wire::postgres;

// "PBE S": a message for each letter, without body.
inline Buffer from_client(std::string_view tags) {
  Buffer out;
  for (const char tag : tags) {
    if (tag != ' ') append_message(out, static_cast<FrontendTag>(tag));
  }
  return out;
}

// "12 C ZI": a message for each letter, without body but ReadyForQuery's, which is the next letter.
inline Buffer from_server(std::string_view tags) {
  Buffer out;
  while (!tags.empty()) {
    const char tag = tags.front();
    tags.remove_prefix(1);
    if (tag == ' ') continue;
    const std::size_t body = tag == 'Z' ? 1 : 0;
    append_message(out, static_cast<BackendTag>(tag), as_bytes(tags.substr(0, body)));
    tags.remove_prefix(body);
  }
  return out;
}

struct Wire {
  Stop client(std::string_view tags, const MessageSet& intercept = {}) {
    const Buffer bytes = from_client(tags);
    const Progress progress = exchange.client(bytes, intercept);
    if (progress.stop == Stop::None) CHECK(progress.consumed == bytes.size());
    return progress.stop;
  }
  Stop server(std::string_view tags) {
    const Buffer bytes = from_server(tags);
    const Progress progress = exchange.server(bytes);
    if (progress.stop == Stop::None) CHECK(progress.consumed == bytes.size());
    return progress.stop;
  }
  // All that is outstanding is answered by exactly this.
  void finish(std::string_view tags) {
    const Buffer bytes = from_server(tags);
    const Bytes whole{bytes};
    REQUIRE(exchange.server(whole.first(whole.size() - 1)).stop == Stop::None);
    CHECK_FALSE(exchange.idle());
    REQUIRE(exchange.server(whole.last(1)).stop == Stop::None);
    CHECK(exchange.idle());
  }

  std::string because() const { return exchange.reason(); }

  Exchange exchange;
};

}  // namespace perilune::test::postgres
