// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/http/webfiles.hpp"
#include "config.h"
#include <filesystem>
#include <fstream>
#include <gio/gio.h>
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

// The page's own scripts and styles, the signaling connection of the same
// origin, video from WebRTC; nothing else, and in nobody's frame.
const char kContentSecurityPolicy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src "
    "'self' data:; media-src 'self' blob: mediastream:; connect-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'";

// Empty when it cannot be done or saves nothing.
std::string
gzip (const std::string &text)
{
  GConverter *zip =
      G_CONVERTER (g_zlib_compressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP, 9));
  std::string packed (text.size (), '\0');
  std::size_t in = 0, out = 0;
  GConverterResult result = G_CONVERTER_CONVERTED;
  while (result == G_CONVERTER_CONVERTED && out < packed.size ()) {
    gsize read = 0, written = 0;
    result = g_converter_convert (zip, text.data () + in, text.size () - in,
        &packed[out], packed.size () - out, G_CONVERTER_INPUT_AT_END, &read,
        &written, nullptr);
    in += read;
    out += written;
  }
  g_object_unref (zip);
  packed.resize (result == G_CONVERTER_FINISHED ? out : 0);
  return packed;
}

// Whether *list*, "gzip;q=0.8, br", has *item* and not with q=0.
bool
accepts (std::string_view list, std::string_view item)
{
  while (!list.empty ()) {
    std::string_view entry = list.substr (0, list.find (','));
    list.remove_prefix (std::min (entry.size () + 1, list.size ()));
    entry.remove_prefix (
        std::min (entry.find_first_not_of (" \t"), entry.size ()));
    std::string_view name = entry.substr (0, entry.find_first_of ("; \t"));
    std::size_t q = entry.find ("q=");
    bool none =
        q != std::string_view::npos &&
        entry.find_first_not_of ("0. \t", q + 2) == std::string_view::npos;
    if (name == item)
      return !none;
  }
  return false;
}

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
    File file{type->second, text.str (), "", ""};
    file.packed = gzip (file.body);
    unsigned char hash[16];
    crypto_generichash (hash, sizeof hash,
        reinterpret_cast<const unsigned char *> (file.body.data ()),
        file.body.size (), nullptr, 0);
    char hex[2 * sizeof hash + 1];
    sodium_bin2hex (hex, sizeof hex, hash, sizeof hash);
    file.etag = hex;
    files_["/" + entry.path ().filename ().string ()] = std::move (file);
  }
}

bool
WebFiles::has (const std::string &path) const
{
  return files_.count (path == "/" ? "/index.html" : path) > 0;
}

HttpResponse
WebFiles::get (const HttpRequest &request) const
{
  auto file = files_.find (request.path == "/" ? "/index.html" : request.path);
  HttpResponse response;
  if (file == files_.end ()) {
    response.status = 404;
    response.body = R"({"code":"not-found","message":"there is nothing here"})";
    return response;
  }
  const bool packed = !file->second.packed.empty () &&
                      accepts (request.header ("accept-encoding"), "gzip");
  const std::string etag =
      "\"" + file->second.etag + (packed ? "-gzip\"" : "\"");
  response.content_type = file->second.type;
  response.body = packed ? file->second.packed : file->second.body;
  response.headers = {
      {"ETag", etag},
      {"Vary", "Accept-Encoding"},
      {"Cache-Control", "no-cache"}, // kept, but asked for each time
      {"Content-Security-Policy", kContentSecurityPolicy},
      {"Permissions-Policy", "camera=(), microphone=(), geolocation=()"},
      {"Cross-Origin-Opener-Policy", "same-origin"},
      {"Cross-Origin-Resource-Policy", "same-origin"},
  };
  if (packed)
    response.headers.emplace_back ("Content-Encoding", "gzip");
  std::string_view known = request.header ("if-none-match");
  if (known.find (etag) != std::string_view::npos) {
    response.status = 304;
    response.body.clear ();
  }
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
