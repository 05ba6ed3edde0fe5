#include "wire/postgres/statements.hh"

#include "wire/builder.hh"
#include "wire/cursor.hh"
#include "wire/postgres/framing.hh"

namespace perilune::wire::postgres {

namespace {

constexpr std::uint32_t kNull = 0xFFFFFFFF;
constexpr std::size_t kCodeSize = 2;
constexpr std::size_t kTypeSize = 4;

// The bytes of `count` values, each with its length before it.
Bytes take_values(Cursor& in, Bytes body, std::uint16_t count) noexcept {
  const std::size_t begin = body.size() - in.left();
  for (unsigned i = 0; i < count && in.ok(); ++i) {
    const std::uint32_t size = in.be32();
    if (size != kNull) in.take(size);
  }
  return in.ok() ? body.subspan(begin, body.size() - in.left() - begin) : Bytes();
}

// No code: all are texts; one: it stands for all.
bool is_binary_at(Bytes codes, std::size_t count, std::size_t index) noexcept {
  if (count == 0 || (count > 1 && index >= count)) return false;
  Cursor in{codes.subspan((count == 1 ? 0 : index) * kCodeSize, kCodeSize)};
  return in.be16() == 1;
}

Target read_target(Cursor& in) noexcept {
  const std::uint8_t target = in.u8();
  in.require(target == 'S' || target == 'P', "statement or portal");
  return static_cast<Target>(target);
}

}  // namespace

Result<std::string_view> decode_query(Bytes body) noexcept {
  Cursor in{body};
  const std::string_view text = in.text_until_nul();
  return in.finish(text);
}

void append_query(Buffer& out, std::string_view text) {
  MessageWriter message{out, FrontendTag::Query};
  Builder{out}.text_with_nul(text);
  message.end();
}

Result<Parse> decode_parse(Bytes body) noexcept {
  Cursor in{body};
  Parse parse;
  parse.name = in.text_until_nul();
  parse.text = in.text_until_nul();
  parse.parameters = in.be16();
  parse.types = in.take(parse.parameters * kTypeSize);
  return in.finish(parse);
}

void append_parse(Buffer& out, const Parse& parse) {
  MessageWriter message{out, FrontendTag::Parse};
  Builder to{out};
  to.text_with_nul(parse.name).text_with_nul(parse.text);
  to.be16(parse.parameters).bytes(parse.types);
  message.end();
}

Result<Bind> decode_bind(Bytes body) noexcept {
  Cursor in{body};
  Bind bind;
  bind.portal = in.text_until_nul();
  bind.statement = in.text_until_nul();
  bind.format_codes = in.be16();
  bind.formats = in.take(bind.format_codes * kCodeSize);
  bind.parameters = in.be16();
  bind.values = take_values(in, body, bind.parameters);
  bind.result_codes = in.be16();
  bind.result_formats = in.take(bind.result_codes * kCodeSize);
  const bool fits = bind.format_codes <= 1 || bind.format_codes == bind.parameters;
  in.require(fits, "number of format codes");
  return in.finish(bind);
}

bool Bind::is_binary(std::size_t parameter) const noexcept {
  return is_binary_at(formats, format_codes, parameter);
}

bool Bind::wants_binary(std::size_t column) const noexcept {
  return is_binary_at(result_formats, result_codes, column);
}

ParameterReader::Value ParameterReader::next() noexcept {
  Cursor in{left_};
  Value value;
  const std::uint32_t size = in.be32();
  value.is_null = !in.ok() || size == kNull;
  if (!value.is_null) value.bytes = in.take(size);
  left_ = in.rest();
  return value;
}

Result<Named> decode_named(Bytes body) noexcept {
  Cursor in{body};
  Named named;
  named.target = read_target(in);
  named.name = in.text_until_nul();
  return in.finish(named);
}

void append_named(Buffer& out, FrontendTag tag, const Named& named) {
  MessageWriter message{out, tag};
  Builder{out}.u8(static_cast<std::uint8_t>(named.target)).text_with_nul(named.name);
  message.end();
}

Result<Execute> decode_execute(Bytes body) noexcept {
  Cursor in{body};
  Execute execute;
  execute.portal = in.text_until_nul();
  execute.max_rows = in.be32();
  return in.finish(execute);
}

void append_execute(Buffer& out, const Execute& execute) {
  MessageWriter message{out, FrontendTag::Execute};
  Builder{out}.text_with_nul(execute.portal).be32(execute.max_rows);
  message.end();
}

Result<FunctionCall> decode_function_call(Bytes body) noexcept {
  Cursor in{body};
  FunctionCall call;
  call.function = in.be32();
  in.take(in.be16() * kCodeSize);
  call.arguments = in.be16();
  call.values = take_values(in, body, call.arguments);
  in.be16();  // the result's format
  return in.finish(call);
}

std::string describe_function_call(const FunctionCall& call) {
  return "FUNCTION CALL " + std::to_string(call.function);
}

}  // namespace perilune::wire::postgres
