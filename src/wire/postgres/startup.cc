#include "wire/postgres/startup.hh"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "wire/builder.hh"
#include "wire/cursor.hh"
#include "wire/postgres/framing.hh"

namespace perilune::wire::postgres {

namespace {

constexpr std::size_t kLengthSize = 4;
constexpr std::size_t kMinOpening = kLengthSize + 4;

void read_parameters(Cursor& in, StartupMessage& message) {
  while (in.ok()) {
    const std::string_view name = in.text_until_nul();
    if (name.empty()) return;
    const std::string_view value = in.text_until_nul();
    message.parameters.push_back({std::string(name), std::string(value)});
  }
}

Result<Opening> read_startup(Cursor& in, std::uint32_t version) {
  StartupMessage message;
  message.version = version;
  in.require(major_of(version) == 3, "protocol version");
  read_parameters(in, message);
  in.require(in.empty(), "bytes behind the start-up parameters");
  return in.finish(Opening(std::move(message)));
}

Result<Opening> read_cancel(Cursor& in) {
  CancelRequest request;
  request.process_id = in.be32();
  const Bytes key = in.rest();
  in.require(!key.empty() && key.size() <= kMaxCancelKeySize, "length of a cancel key");
  request.key.assign(key.begin(), key.end());
  return in.finish(Opening(std::move(request)));
}

bool equals_ignoring_case(std::string_view text, std::string_view lower) noexcept {
  return std::ranges::equal(text, lower, {}, [](char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  });
}

// parse_bool() takes any beginning of these words that means nothing else.
bool means_no(std::string_view value) noexcept {
  static constexpr std::array<std::string_view, 10> kNo = {"f", "fa", "fal", "fals", "false",
                                                           "n", "no", "of",  "off",  "0"};
  return std::ranges::any_of(
      kNo, [value](std::string_view word) { return equals_ignoring_case(value, word); });
}

void append_code(Buffer& out, std::uint32_t code) { Builder{out}.be32(kMinOpening).be32(code); }

}  // namespace

std::string_view StartupMessage::parameter(std::string_view name) const noexcept {
  const auto last =
      std::ranges::find(parameters.rbegin(), parameters.rend(), name, &Parameter::name);
  return last == parameters.rend() ? std::string_view() : std::string_view(last->value);
}

std::string_view StartupMessage::database() const noexcept {
  const std::string_view named = parameter("database");
  return named.empty() ? user() : named;
}

bool StartupMessage::wants_replication() const noexcept {
  const auto named = std::ranges::find(parameters, "replication", &Parameter::name);
  return named != parameters.end() && !means_no(parameter("replication"));
}

Result<std::size_t> opening_size(Bytes buffer) noexcept {
  if (buffer.size() < kLengthSize) return std::size_t{0};
  Cursor in{buffer};
  const std::size_t size = in.be32();
  if (size < kMinOpening || size > kLengthSize + kMaxStartupPacket) {
    return Malformed{"length of a start-up packet"};
  }
  return size;
}

Result<Opening> decode_opening(Bytes packet) {
  const auto size = opening_size(packet);
  if (!size) return size.error();
  Cursor in{packet};
  in.be32();
  in.require(packet.size() == *size, "size of a start-up packet");
  switch (const std::uint32_t code = in.be32()) {
    case kCancelRequestCode:
      return read_cancel(in);
    case kSslRequestCode:
      return in.finish(Opening(SslRequest()));
    case kGssEncRequestCode:
      return in.finish(Opening(GssEncRequest()));
    default:
      return read_startup(in, code);
  }
}

void append_startup_message(Buffer& out, const StartupMessage& message) {
  const std::size_t begin = out.size();
  Builder to{out};
  to.zeros(kLengthSize).be32(message.version);
  for (const Parameter& parameter : message.parameters) {
    if (parameter.name.empty()) continue;
    to.text_with_nul(parameter.name).text_with_nul(parameter.value);
  }
  to.u8(0);
  patch_length(out, begin);
}

void append_ssl_request(Buffer& out) { append_code(out, kSslRequestCode); }

void append_gssenc_request(Buffer& out) { append_code(out, kGssEncRequestCode); }

void append_cancel_request(Buffer& out, const CancelRequest& request) {
  const std::size_t begin = out.size();
  Builder to{out};
  to.zeros(kLengthSize).be32(kCancelRequestCode).be32(request.process_id).bytes(request.key);
  patch_length(out, begin);
}

std::uint32_t agreed_version(std::uint32_t wished) noexcept {
  return wished < kProtocol32 ? kProtocol30 : kProtocol32;
}

Result<NegotiateProtocolVersion> decode_negotiate_protocol_version(Bytes body) {
  Cursor in{body};
  NegotiateProtocolVersion message;
  message.version = in.be32();
  in.require(major_of(message.version) == 3, "protocol version");
  const std::uint32_t count = in.be32();
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    message.unknown_options.emplace_back(in.text_until_nul());
  }
  return in.finish(std::move(message));
}

void append_negotiate_protocol_version(Buffer& out, const NegotiateProtocolVersion& message) {
  MessageWriter writer{out, BackendTag::NegotiateProtocolVersion};
  Builder to{out};
  to.be32(message.version).be32(static_cast<std::uint32_t>(message.unknown_options.size()));
  for (const std::string& option : message.unknown_options) to.text_with_nul(option);
  writer.end();
}

}  // namespace perilune::wire::postgres
