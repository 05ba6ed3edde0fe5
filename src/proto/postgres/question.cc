#include "proto/postgres/question.hh"

#include "wire/postgres/statements.hh"

namespace perilune::proto::postgres {

namespace wire = perilune::wire::postgres;
using session::StatementDecision;
using session::StatementKind;
using wire::FrontendTag;
using wire::MessageSet;

namespace {

// A Parse besides its text: a name, and the types of as many parameters as there can be.
constexpr std::size_t kAroundText = 512 * 1024;

MessageSet set_of(std::initializer_list<FrontendTag> tags) {
  MessageSet set;
  for (const FrontendTag tag : tags) set.set(static_cast<std::uint8_t>(tag));
  return set;
}

}  // namespace

const MessageSet& messages_to_look_at(const session::Hooks& hooks) {
  static const MessageSet none;
  static const MessageSet some =
      set_of({FrontendTag::Query, FrontendTag::Parse, FrontendTag::FunctionCall});
  return hooks.has_on_query() ? some : none;
}

const MessageSet& messages_with_statements() {
  static const MessageSet set =
      set_of({FrontendTag::Query, FrontendTag::Parse, FrontendTag::FunctionCall, FrontendTag::Bind,
              FrontendTag::Describe, FrontendTag::Execute, FrontendTag::Close});
  return set;
}

std::size_t largest_body(FrontendTag tag, std::uint64_t max_query) noexcept {
  return max_query + (tag == FrontendTag::Parse ? kAroundText : 1);
}

std::optional<std::size_t> text_size(FrontendTag tag, Bytes body) noexcept {
  switch (tag) {
    case FrontendTag::Query: {
      const auto text = wire::decode_query(body);
      if (text) return text->size();
      return std::nullopt;
    }
    case FrontendTag::Parse: {
      const auto parse = wire::decode_parse(body);
      if (parse) return parse->text.size();
      return std::nullopt;
    }
    default: {
      const auto call = wire::decode_function_call(body);
      if (call) return body.size();
      return std::nullopt;
    }
  }
}

std::optional<StatementDecision> ask_script(session::Hooks& hooks, FrontendTag tag, Bytes body) {
  switch (tag) {
    case FrontendTag::Query:
      return hooks.on_query(*wire::decode_query(body), StatementKind::Query);
    case FrontendTag::Parse:
      return hooks.on_query(wire::decode_parse(body)->text, StatementKind::Prepare);
    default:
      return hooks.on_query(wire::describe_function_call(*wire::decode_function_call(body)),
                            StatementKind::Command);
  }
}

Buffer with_text(FrontendTag tag, Bytes body, std::string_view text) {
  Buffer message;
  if (tag == FrontendTag::Parse) {
    wire::Parse parse = *wire::decode_parse(body);
    parse.text = text;
    wire::append_parse(message, parse);
  } else {
    wire::append_query(message, text);
  }
  return message;
}

}  // namespace perilune::proto::postgres
