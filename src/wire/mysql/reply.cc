#include "wire/mysql/reply.hh"

#include "wire/builder.hh"
#include "wire/cursor.hh"

namespace perilune::wire::mysql {

namespace {

constexpr std::size_t kStateSize = 5;

bool has(std::uint64_t flags, std::uint64_t flag) noexcept { return (flags & flag) != 0; }

// Servers send it length-encoded even if session tracking was not agreed, where the document has
// the rest of the packet.
std::string_view rest_as_info(Cursor& in) noexcept {
  const Bytes rest = in.rest();
  Cursor encoded{rest};
  const std::string_view text = encoded.lenenc_text();
  return encoded.ok() && encoded.empty() ? text : as_text(rest);
}

}  // namespace

Result<Ok> decode_ok(Bytes payload, std::uint64_t capabilities) noexcept {
  Cursor in{payload};
  Ok ok;
  ok.header = in.u8();
  in.require(ok.header == kOkHeader || ok.header == kEofHeader, "header of OK");
  ok.affected_rows = in.lenenc();
  ok.last_insert_id = in.lenenc();
  ok.status = in.u16();
  ok.warnings = in.u16();
  if (in.empty()) return in.finish(std::move(ok));
  if (!has(capabilities, capability::kSessionTrack)) {
    ok.info = rest_as_info(in);
    return in.finish(std::move(ok));
  }
  ok.info = in.lenenc_text();
  if (has(ok.status, status::kSessionStateChanged)) {
    const Bytes state = in.lenenc_bytes();
    ok.session_state.assign(state.begin(), state.end());
  }
  return in.finish(std::move(ok));
}

void append_ok(Buffer& out, const Ok& ok, std::uint64_t capabilities) {
  const bool state =
      has(capabilities, capability::kSessionTrack) && has(ok.status, status::kSessionStateChanged);
  Builder to{out};
  to.u8(ok.header).lenenc(ok.affected_rows).lenenc(ok.last_insert_id);
  to.u16(ok.status).u16(ok.warnings);
  if (state || !ok.info.empty()) to.lenenc_text(ok.info);
  if (state) to.lenenc_bytes(ok.session_state);
}

Result<Err> decode_err(Bytes payload) noexcept {
  Cursor in{payload};
  Err err;
  in.require(in.u8() == kErrHeader, "header of ERR");
  err.code = in.u16();
  std::string_view rest = as_text(in.rest());
  if (rest.starts_with('#') && rest.size() > kStateSize) {
    err.sql_state = rest.substr(1, kStateSize);
    rest.remove_prefix(1 + kStateSize);
  }
  err.message = rest;
  return in.finish(std::move(err));
}

void append_err(Buffer& out, const Err& err, std::uint64_t capabilities) {
  Builder to{out};
  to.u8(kErrHeader).u16(err.code);
  if (has(capabilities, capability::kProtocol41)) {
    to.u8('#').text(err.sql_state.size() == kStateSize ? err.sql_state : "HY000");
  }
  to.text(err.message);
}

Result<Eof> decode_eof(Bytes payload) noexcept {
  Cursor in{payload};
  Eof eof;
  in.require(in.u8() == kEofHeader, "header of EOF");
  eof.warnings = in.u16();
  eof.status = in.u16();
  return in.finish(eof);
}

void append_eof(Buffer& out, const Eof& eof) {
  Builder{out}.u8(kEofHeader).u16(eof.warnings).u16(eof.status);
}

}  // namespace perilune::wire::mysql
