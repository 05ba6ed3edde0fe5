#pragma once

#include <memory>
#include <string_view>

#include "auth/mysql_login.hh"

namespace perilune::auth {

// Null: no such method here.
std::unique_ptr<MysqlLogin> make_mysql_login(std::string_view plugin,
                                             const Credentials& credentials, Transport transport);

}  // namespace perilune::auth
