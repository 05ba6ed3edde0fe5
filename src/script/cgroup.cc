#include "script/cgroup.hh"

#include <string>
#include <string_view>
#include <utility>

#include "lua/class.hh"
#include "net/cgroup.hh"
#include "script/client.hh"
#include "script/hooks.hh"
#include "util/fd.hh"

namespace perilune::script {

namespace {

// client.cgroup and its parents.
struct CgroupObject {
  static constexpr const char* kClassName = "cgroup";
  SessionLink link;
  std::string path;
};

struct XattrObject {
  static constexpr const char* kClassName = "xattr";
  SessionLink link;
  UniqueFd folder;
};

using Cgroups = lua::Class<CgroupObject>;
using Xattrs = lua::Class<XattrObject>;

// Pushes what the object at 1 keeps under a name, so that reading it again gives the same object.
bool push_kept(lua_State* L, const char* name) {
  lua_getfenv(L, 1);
  lua_getfield(L, -1, name);
  lua_remove(L, -2);
  if (!lua_isnil(L, -1)) return true;
  lua_pop(L, 1);
  return false;
}

// Lets the object at 1 keep the value on top.
void keep(lua_State* L, const char* name) {
  lua_getfenv(L, 1);
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, name);
  lua_pop(L, 1);
}

void push_new_cgroup(lua_State* L, const SessionLink& link, std::string path) {
  Cgroups::push(L, CgroupObject{link, std::move(path)});
  lua_newtable(L);
  lua_setfenv(L, -2);
}

void push_parent(lua_State* L, const CgroupObject& self) {
  if (push_kept(L, "parent")) return;
  const auto path = net::cgroup_parent(self.path);
  if (!path) return lua_pushnil(L);
  push_new_cgroup(L, self.link, std::string(*path));
  keep(L, "parent");
}

void push_xattr(lua_State* L, const CgroupObject& self) {
  if (push_kept(L, "xattr")) return;
  auto folder = net::open_cgroup(self.path);
  if (!folder) throw lua::Error(folder.error().message);
  XattrObject object;
  object.link = self.link;
  object.folder = *std::move(folder);
  Xattrs::push(L, std::move(object));
  keep(L, "xattr");
}

int cgroup_index(lua_State* L) {
  const CgroupObject& self = Cgroups::check(L, 1);
  hooks_of(self.link);
  const std::string_view name = lua::check_text(L, 2);
  if (name == "path") {
    lua::push_text(L, self.path);
  } else if (name == "parent") {
    push_parent(L, self);
  } else if (name == "xattr") {
    push_xattr(L, self);
  } else {
    lua_pushnil(L);
  }
  return 1;
}

int xattr_index(lua_State* L) {
  const XattrObject& self = Xattrs::check(L, 1);
  hooks_of(self.link);
  const auto value = net::read_xattr(self.folder.value(), lua::check_text(L, 2));
  if (!value) return 0;
  lua::push_text(L, *value);
  return 1;
}

}  // namespace

void define_cgroups(lua_State* L) {
  constexpr lua::Function kCgroup[] = {{"__index", lua::guarded<cgroup_index>}};
  Cgroups::define(L, [&kCgroup](lua_State* l) { lua::set_functions(l, kCgroup); });
  constexpr lua::Function kXattr[] = {{"__index", lua::guarded<xattr_index>}};
  Xattrs::define(L, [&kXattr](lua_State* l) { lua::set_functions(l, kXattr); });
}

void push_cgroup(lua_State* L, SessionHooks& hooks) {
  if (push_kept(L, "cgroup")) return;
  const session::Session& session = hooks.session();
  if (!session.is_local() || session.client_fd() < 0) return lua_pushnil(L);
  auto path = net::peer_cgroup(session.client_fd());
  if (!path) throw lua::Error(path.error().message);
  if (!*path) return lua_pushnil(L);
  push_new_cgroup(L, hooks.link(), **path);
  keep(L, "cgroup");
}

}  // namespace perilune::script
