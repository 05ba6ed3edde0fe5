#include "lua/state.hh"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

#include "lua/call.hh"
#include "lua/function.hh"
#include "lua/native.hh"

namespace perilune::lua {

namespace {

// Fixed places at the bottom of the main stack, so that entering Lua never allocates.
constexpr int kTrampolineSlot = 1;
constexpr int kEnterSlot = 2;

constexpr const char* kPrelude =
#include "lua/prelude.inc"
    ;

int panic(lua_State*) { std::terminate(); }

void open_prelude(lua_State* L) {
  if (luaL_loadbuffer(L, kPrelude, std::char_traits<char>::length(kPrelude), "=perilune") != 0) {
    lua_error(L);
  }
  luaJIT_setmode(L, -1, LUAJIT_MODE_ALLFUNC | LUAJIT_MODE_OFF);
  push_native(L);
  lua_call(L, 1, 2);
  lua_rawseti(L, LUA_REGISTRYINDEX, kWaitsReference);
  lua_rawseti(L, LUA_REGISTRYINDEX, kEnterReference);
}

}  // namespace

State::State(event::Loop& loop, std::shared_ptr<Sources> sources, Memory memory)
    : loop_(loop),
      sources_(std::move(sources)),
      memory_(memory),
      watch_(std::make_shared<Watch>("nothing")),
      main_(lua_newstate(&State::allocate, this)) {
  if (main_ == nullptr) throw Error("not enough memory for a Lua state");
  lua_atpanic(main_, panic);
  // Not earlier: LuaJIT crashes when it closes a state that it could not make.
  memory_.enforce();
  watch_->attach(main_);
  if (lua_cpcall(main_, &State::set_up, nullptr) != 0) {
    Error error = pop_error();
    lua_close(main_);
    throw error;
  }
  lua_rawgeti(main_, LUA_REGISTRYINDEX, kTrampolineReference);
  lua_rawgeti(main_, LUA_REGISTRYINDEX, kEnterReference);
  assert(lua_gettop(main_) == kEnterSlot);
}

State::~State() {
  assert(current_ == nullptr);
  lua_close(main_);
}

State& State::of(lua_State* L) noexcept {
  void* self = nullptr;
  lua_getallocf(L, &self);
  return *static_cast<State*>(self);
}

void* State::allocate(void* self, void* block, std::size_t old_size, std::size_t new_size) {
  return static_cast<State*>(self)->memory_.reallocate(block, old_size, new_size);
}

int State::set_up(lua_State* L) {
  luaL_openlibs(L);
  reserve_references(L);
  lua_pushcfunction(L, &State::trampoline);
  lua_rawseti(L, LUA_REGISTRYINDEX, kTrampolineReference);
  lua_pushcfunction(L, guarded<&State::prepare>);
  lua_rawseti(L, LUA_REGISTRYINDEX, kPrepareReference);
  lua_pushcfunction(L, guarded<&State::coroutine_over>);
  lua_rawseti(L, LUA_REGISTRYINDEX, kOverReference);
  open_prelude(L);
  return 0;
}

int State::trampoline(lua_State* L) {
  State& self = of(L);
  try {
    self.protected_body_(self.protected_context_, L);
  } catch (const std::exception&) {
    self.protected_exception_ = std::current_exception();
  }
  return 0;
}

void State::run_protected(ProtectedBody body, void* context) {
  assert(current_ == nullptr);
  protected_body_ = body;
  protected_context_ = context;
  lua_pushvalue(main_, kTrampolineSlot);
  const int status = lua_pcall(main_, 0, 0, 0);
  if (status != 0) throw pop_error();
  assert(lua_gettop(main_) == kEnterSlot);
  if (protected_exception_) std::rethrow_exception(std::exchange(protected_exception_, {}));
}

Error State::pop_error() {
  Error error{message_of(main_, -1)};
  lua_pop(main_, 1);
  return error;
}

// The first thing that runs on a call's coroutine: pushes the function and its arguments, where an
// error is one of the call.
int State::prepare(lua_State* L) {
  State& self = of(L);
  return self.prepare_(self.prepare_context_, L);
}

void State::unref(int reference) noexcept {
  if (reference >= 0) luaL_unref(main_, LUA_REGISTRYINDEX, reference);
}

void State::collect_garbage() noexcept {
  try {
    protect([](lua_State* L) { lua_gc(L, LUA_GCCOLLECT, 0); });
  } catch (const std::exception&) {  // a finalizer failed; the next cycle goes on
  }
}

State::Thread State::take_thread() {
  if (idle_.stack == nullptr) {
    protect([this](lua_State* L) {
      lua_State* const stack = lua_newthread(L);
      idle_.reference = luaL_ref(L, LUA_REGISTRYINDEX);
      idle_.stack = stack;
    });
  }
  const Thread thread = std::exchange(idle_, Thread{});
  lua_pushvalue(main_, kEnterSlot);
  lua_xmove(main_, thread.stack, 1);
  return thread;
}

void State::give_back(Thread thread) noexcept {
  if (thread.stack == nullptr) return;
  const bool reusable = lua_status(thread.stack) == 0 && idle_.stack == nullptr;
  if (!reusable) return unref(thread.reference);
  lua_settop(thread.stack, 0);
  idle_ = thread;
}

Call* State::find_yielded(const lua_State* thread) const noexcept {
  const auto found = std::find_if(yielded_.begin(), yielded_.end(), [thread](const Call* call) {
    return call->thread_.stack == thread;
  });
  return found == yielded_.end() ? nullptr : *found;
}

// over(coroutine, ok, …) → ok, …: a coroutine that other Lua code resumed has come to its end; if
// it is that of a call, the call has ended with the same results.
int State::coroutine_over(lua_State* L) {
  const lua_State* const thread = lua_tothread(L, 1);
  if (Call* const call = of(L).find_yielded(thread)) call->finished_elsewhere(L);
  return lua_gettop(L) - 1;
}

std::string message_of(lua_State* L, int index) {
  switch (lua_type(L, index)) {
    case LUA_TSTRING: {
      std::size_t size = 0;
      const char* const text = lua_tolstring(L, index, &size);
      return {text, size};
    }
    case LUA_TNUMBER:  // lua_tolstring would convert, which allocates
      return fmt::format("{:.14g}", lua_tonumber(L, index));
    default:
      return fmt::format("error object is a {}", luaL_typename(L, index));
  }
}

}  // namespace perilune::lua
