#include "ctl/client.hh"

#include <curl/curl.h>

#include <fstream>

namespace perilune::ctl {

namespace {

constexpr long kConnectSeconds = 5;
constexpr long kAnswerSeconds = 200;  // a reload takes as long as its script
constexpr std::size_t kMostBytes = 256 << 20;

std::size_t take(char* data, std::size_t, std::size_t size, void* to) {
  auto& body = *static_cast<std::string*>(to);
  if (body.size() + size > kMostBytes) return 0;
  body.append(data, size);
  return size;
}

std::string read_token(const std::string& path) {
  std::ifstream file{path};
  std::string token;
  if (!(file >> token)) throw Failure(path + ": there is no token in it that can be read");
  return token;
}

}  // namespace

struct Client::Handle {
  Handle() : curl(curl_easy_init()) {
    if (curl == nullptr) throw Failure("libcurl cannot be used");
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() {
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
  }

  template <typename Value>
  void set(CURLoption option, Value value) {
    curl_easy_setopt(curl, option, value);
  }
  std::string escape(const std::string& text) {
    char* const escaped = curl_easy_escape(curl, text.data(), static_cast<int>(text.size()));
    std::string copy = escaped != nullptr ? escaped : "";
    curl_free(escaped);
    return copy;
  }

  CURL* curl;
  curl_slist* headers = nullptr;
};

Client::Client(const Where& where)
    : handle_(std::make_unique<Handle>()),
      base_(where.url.empty() ? "http://perilune" : where.url),
      where_(where.url.empty() ? where.socket : where.url) {
  while (base_.ends_with('/')) base_.pop_back();
  Handle& handle = *handle_;
  handle.set(CURLOPT_NOSIGNAL, 1L);
  handle.set(CURLOPT_PROXY, "");
  handle.set(CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  handle.set(CURLOPT_TIMEOUT, kAnswerSeconds);
  handle.set(CURLOPT_WRITEFUNCTION, &take);
  if (where.url.empty()) handle.set(CURLOPT_UNIX_SOCKET_PATH, where.socket.c_str());
  if (where.token_file.empty()) return;
  const std::string header = "Authorization: Bearer " + read_token(where.token_file);
  handle.headers = curl_slist_append(nullptr, header.c_str());
  handle.set(CURLOPT_HTTPHEADER, handle.headers);
}

Client::~Client() = default;

Json Client::get(const std::string& path, const Arguments& arguments) {
  return ask(path, arguments, false);
}

Json Client::post(const std::string& path, const Arguments& arguments) {
  return ask(path, arguments, true);
}

Json Client::ask(const std::string& path, const Arguments& arguments, bool changes) {
  Handle& handle = *handle_;
  std::string url = base_ + path;
  char separator = '?';
  for (const auto& [name, value] : arguments) {
    url += std::exchange(separator, '&') + handle.escape(name) + "=" + handle.escape(value);
  }
  std::string body;
  handle.set(CURLOPT_URL, url.c_str());
  handle.set(CURLOPT_WRITEDATA, &body);
  handle.set(changes ? CURLOPT_POST : CURLOPT_HTTPGET, 1L);
  if (changes) handle.set(CURLOPT_POSTFIELDS, "");
  const CURLcode code = curl_easy_perform(handle.curl);
  if (code != CURLE_OK) throw Failure(where_ + ": " + curl_easy_strerror(code));
  long status = 0;
  curl_easy_getinfo(handle.curl, CURLINFO_RESPONSE_CODE, &status);
  if (status == 401) throw Failure(where_ + ": the token is missing or wrong");
  const Json answer = Json::parse(body, nullptr, false);
  if (answer.is_discarded() || !answer.is_object()) {
    throw Failure(where_ + ": this is not Perilune's admin interface");
  }
  if (status >= 400) throw Failure(answer.value("error", "the daemon refused"));
  return answer;
}

}  // namespace perilune::ctl
