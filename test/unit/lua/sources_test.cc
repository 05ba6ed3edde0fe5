#include "lua/sources.hh"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "support/catch.hh"

namespace perilune::lua {

namespace {

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/perilune-sources-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(file(name), std::ios::trunc) << text;
  }

 private:
  std::string path_;
};

}  // namespace

TEST_CASE("lua sources: every file is read once", "[lua]") {
  const Folder folder;
  folder.write("a.lua", "first");
  Sources sources{folder.file("config.lua")};
  CHECK(**sources.read("a.lua") == "first");
  folder.write("a.lua", "second");
  CHECK(**sources.read("./a.lua") == "first");
  CHECK(**sources.read(folder.file("a.lua")) == "first");
  CHECK(**sources.read_now("a.lua") == "first");
  CHECK(sources.folder() == std::filesystem::path(folder.file("a")).parent_path().string());
}

TEST_CASE("lua sources: a missing file stays missing", "[lua]") {
  const Folder folder;
  Sources sources{folder.file("config.lua")};
  CHECK(sources.read("a.lua").error().message == "cannot open a.lua: No such file or directory");
  folder.write("a.lua", "late");
  CHECK_FALSE(sources.read("a.lua"));
  CHECK(**sources.read_now("a.lua") == "late");
  CHECK_FALSE(sources.read("."));
}

TEST_CASE("lua sources: nothing is read after the first worker", "[lua]") {
  const Folder folder;
  folder.write("a.lua", "text");
  folder.write("b.lua", "text");
  Sources sources{folder.file("config.lua")};
  CHECK(sources.read("a.lua"));
  sources.freeze();
  CHECK(sources.read("a.lua"));
  CHECK(sources.read("b.lua").error().message ==
        "cannot open b.lua: the first worker did not read it");
}

}  // namespace perilune::lua
