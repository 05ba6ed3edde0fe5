#pragma once

#include <memory>
#include <optional>

#include "auth/mysql_login.hh"
#include "auth/secret.hh"
#include "util/bytes.hh"

namespace perilune::auth {

// The answer of mysql_clear_password and of caching_sha2's full exchange over a safe transport: the
// password and a NUL. The caller sends it nowhere else and wipes it.
Buffer clear_answer(const Secret& password);

// The way back, on the server's side: null unless the answer has one NUL, at its end, and no more
// than kMaxClearPassword bytes before it.
inline constexpr std::size_t kMaxClearPassword = 8192;
std::optional<Secret> read_clear_answer(Bytes answer);

std::unique_ptr<MysqlLogin> make_clear_login(const Credentials& credentials, Transport transport);

}  // namespace perilune::auth
