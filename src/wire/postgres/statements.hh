#pragma once

// The client's messages of the command phase that a proxy looks into. Decoders are given a
// message's body; views point into it.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "util/bytes.hh"
#include "util/result.hh"
#include "wire/postgres/protocol.hh"

namespace perilune::wire::postgres {

// "Query": one text, of any number of statements.
Result<std::string_view> decode_query(Bytes body) noexcept;
void append_query(Buffer& out, std::string_view text);

// "Parse".
struct Parse {
  std::string_view name;  // empty: the unnamed statement
  std::string_view text;
  std::uint16_t parameters = 0;  // for which a type is given
  Bytes types;                   // 4 bytes each
};

Result<Parse> decode_parse(Bytes body) noexcept;
void append_parse(Buffer& out, const Parse& parse);

// "Bind". The lists are bytes as on the wire, whose sizes have been checked: codes of 2 bytes;
// values with their lengths, to be read with ParameterReader.
struct Bind {
  std::string_view portal;
  std::string_view statement;
  std::uint16_t format_codes = 0;
  Bytes formats;
  std::uint16_t parameters = 0;
  Bytes values;
  std::uint16_t result_codes = 0;
  Bytes result_formats;

  // Of the parameter with this index from 0: one code may stand for all.
  bool is_binary(std::size_t parameter) const noexcept;
  // Of a column of the result.
  bool wants_binary(std::size_t column) const noexcept;
};

Result<Bind> decode_bind(Bytes body) noexcept;

// Goes through a Bind's or a FunctionCall's values.
class ParameterReader {
 public:
  explicit ParameterReader(Bytes values) noexcept : left_(values) {}

  struct Value {
    bool is_null = true;
    Bytes bytes;
  };
  bool empty() const noexcept { return left_.empty(); }
  Value next() noexcept;

 private:
  Bytes left_;
};

// "Describe" and "Close".
enum class Target : std::uint8_t { Statement = 'S', Portal = 'P' };

struct Named {
  Target target = Target::Statement;
  std::string_view name;
};

Result<Named> decode_named(Bytes body) noexcept;
void append_named(Buffer& out, FrontendTag tag, const Named& named);

// "Execute".
struct Execute {
  std::string_view portal;
  std::uint32_t max_rows = 0;  // 0: all
};

Result<Execute> decode_execute(Bytes body) noexcept;
void append_execute(Buffer& out, const Execute& execute);

// "FunctionCall".
struct FunctionCall {
  std::uint32_t function = 0;  // its OID
  std::uint16_t arguments = 0;
  Bytes values;  // as in Bind
};

Result<FunctionCall> decode_function_call(Bytes body) noexcept;

// A command without a text, as a text for people and scripts: "FUNCTION CALL 1598".
std::string describe_function_call(const FunctionCall& call);

}  // namespace perilune::wire::postgres
