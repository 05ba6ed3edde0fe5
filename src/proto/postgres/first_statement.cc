#include "proto/postgres/first_statement.hh"

#include <algorithm>
#include <cstddef>

#include "wire/postgres/framing.hh"
#include "wire/postgres/protocol.hh"

namespace perilune::proto::postgres {

namespace wire = perilune::wire::postgres;
using wire::FrontendTag;

namespace {

std::string_view until_nul(std::string_view text) noexcept { return text.substr(0, text.find('\0')); }

// Of Parse: behind the statement's name.
std::string_view text_of_parse(std::string_view body) noexcept {
  const std::size_t name = body.find('\0');
  return name == std::string_view::npos ? std::string_view{} : until_nul(body.substr(name + 1));
}

std::optional<FirstStatement> statement_in(FrontendTag tag, std::string_view body) noexcept {
  switch (tag) {
    case FrontendTag::Query:
      return FirstStatement{"query", until_nul(body)};
    case FrontendTag::Parse:
      return FirstStatement{"prepare", text_of_parse(body)};
    case FrontendTag::Bind:
    case FrontendTag::Execute:
      return FirstStatement{"execute", {}};
    case FrontendTag::FunctionCall:
      return FirstStatement{"command", {}};
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<FirstStatement> first_statement(Bytes messages) noexcept {
  while (messages.size() >= wire::kHeaderSize) {
    const wire::MessageHeader header = wire::decode_header(messages);
    if (!header.is_plausible()) break;
    const Bytes behind = messages.subspan(wire::kHeaderSize);
    const Bytes body = behind.first(std::min<std::size_t>(behind.size(), header.body()));
    if (auto found = statement_in(static_cast<FrontendTag>(header.tag), as_text(body))) return found;
    messages = behind.subspan(body.size());
  }
  return std::nullopt;
}

}  // namespace perilune::proto::postgres
