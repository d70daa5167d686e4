// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/http/webfiles.hpp"
#include "config.h"
#include <filesystem>
#include <fstream>
#include <sodium.h>
#include <sstream>
#include <unistd.h>

namespace robotlive::server {

namespace fs = std::filesystem;

namespace {

constexpr std::uintmax_t kMaxFile = 4 << 20;

const std::map<std::string, std::string> kTypes = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".ico", "image/x-icon"},
    {".webmanifest", "application/manifest+json"},
};

// The page's own scripts and styles, the signalling connection of the same
// origin, video from WebRTC; nothing else, and in nobody's frame.
const char kContentSecurityPolicy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src "
    "'self' data:; media-src 'self' blob: mediastream:; connect-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'";

} // namespace

void
WebFiles::load (const std::string &folder)
{
  files_.clear ();
  std::error_code error;
  for (const auto &entry : fs::directory_iterator (folder, error)) {
    auto type = kTypes.find (entry.path ().extension ().string ());
    if (type == kTypes.end () || !entry.is_regular_file (error) ||
        entry.file_size (error) > kMaxFile)
      continue;
    std::ifstream stream (entry.path (), std::ios::binary);
    std::stringstream text;
    text << stream.rdbuf ();
    File file{type->second, text.str (), ""};
    unsigned char hash[16];
    crypto_generichash (hash, sizeof hash,
        reinterpret_cast<const unsigned char *> (file.body.data ()),
        file.body.size (), nullptr, 0);
    char hex[2 * sizeof hash + 1];
    sodium_bin2hex (hex, sizeof hex, hash, sizeof hash);
    file.etag = "\"" + std::string (hex) + "\"";
    files_["/" + entry.path ().filename ().string ()] = std::move (file);
  }
}

HttpResponse
WebFiles::get (const std::string &path) const
{
  auto file = files_.find (path == "/" ? "/index.html" : path);
  HttpResponse response;
  if (file == files_.end ()) {
    response.status = 404;
    response.body = R"({"code":"not-found","message":"there is nothing here"})";
    return response;
  }
  response.content_type = file->second.type;
  response.body = file->second.body;
  response.headers = {
      {"ETag", file->second.etag},
      {"Cache-Control", "no-cache"}, // kept, but asked for each time
      {"Content-Security-Policy", kContentSecurityPolicy},
      {"Permissions-Policy", "camera=(), microphone=(), geolocation=()"},
      {"Cross-Origin-Opener-Policy", "same-origin"},
      {"Cross-Origin-Resource-Policy", "same-origin"},
  };
  return response;
}

std::string
find_web_directory (const std::string &configured)
{
  if (!configured.empty ())
    return configured;
  for (const char *folder : {WEB_SOURCE_DIR, WEB_INSTALL_DIR}) {
    // In the build tree the sources are newer than what is installed.
    bool from_build = std::string (folder) == WEB_SOURCE_DIR;
    std::error_code error;
    fs::path self = fs::read_symlink ("/proc/self/exe", error);
    if (from_build && self.string ().rfind (BUILD_DIR, 0) != 0)
      continue;
    if (fs::exists (fs::path (folder) / "index.html", error))
      return folder;
  }
  return WEB_INSTALL_DIR;
}

} // namespace robotlive::server
