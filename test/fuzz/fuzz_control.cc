// Control datagrams: the reader must survive anything, stay inside the bytes, and find again what
// the builder makes of what it has read.

#include <cstddef>
#include <cstdint>

#include "fuzz/expect.hh"
#include "wire/control/datagram.hh"

using namespace perilune;
using namespace perilune::wire::control;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes datagram{reinterpret_cast<const std::byte*>(data), size};
  Buffer again = make_datagram();
  std::size_t count = 0;
  Reader reader{datagram};
  while (const auto command = reader.next()) {
    expect(reader.mistake() == nullptr && command->payload.size() <= size);
    append_command(again, command->number, command->payload);
    ++count;
  }
  expect(count <= size / 4);
  if (count == 0) return 0;
  expect(again.size() <= size && (reader.mistake() != nullptr || again.size() == size));
  Reader second{again};
  while (second.next()) --count;
  expect(second.mistake() == nullptr && count == 0);
  return 0;
}
