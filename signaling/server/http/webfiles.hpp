// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The viewer page: a handful of files, read once.
#pragma once
#include "server/hub/sockets.hpp"
#include <map>
#include <string>

namespace robotlive::server {

class WebFiles
{
public:
  // Reads the files of *folder* (no subfolders) whose ending is a web page's.
  void load (const std::string &folder);
  // Path "/" is index.html. 404 if there is none; 304 if the browser has it;
  // compressed for those that say they take it.
  HttpResponse get (const HttpRequest &request) const;
  bool has (const std::string &path) const;
  bool empty () const { return files_.empty (); }

private:
  struct File
  {
    std::string type;
    std::string body;
    std::string packed; // gzip; empty: not worth it
    std::string etag;   // without the quotation marks
  };
  std::map<std::string, File> files_;
};

// *configured*, else where it is installed, else the build tree's source.
std::string find_web_directory (const std::string &configured);

} // namespace robotlive::server
