// The first bytes of a connection: the decoder must survive anything, decide a header by its own
// bytes alone, and find again what the encoder makes of what it accepted.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "fuzz/expect.hh"
#include "wire/proxy_protocol.hh"

using namespace perilune;
using namespace perilune::wire;

namespace {

void try_again(const ProxyHeader& header, ProxyVersion version) {
  Buffer encoded;
  append_proxy_header(encoded, header, version);
  const auto again = decode_proxy_header(encoded);
  expect(again && again->length == encoded.size());
  const bool is_told = version == ProxyVersion::V2 || header.family != ProxyFamily::Unix;
  expect(again->header == (is_told ? header : ProxyHeader{}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes begin{reinterpret_cast<const std::byte*>(data), size};
  const auto decoded = decode_proxy_header(begin);
  if (!decoded) return 0;
  expect(decoded->length <= std::min(size, kMaxProxyHeader));
  if (decoded->length == 0) {
    expect(size < kMaxProxyHeader);
    return 0;
  }
  const auto same = decode_proxy_header(begin.first(decoded->length));
  expect(same && same->length == decoded->length && same->header == decoded->header);
  const auto less = decode_proxy_header(begin.first(decoded->length - 1));
  expect(less && less->length == 0);
  try_again(decoded->header, ProxyVersion::V1);
  try_again(decoded->header, ProxyVersion::V2);
  return 0;
}
