// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which package and plugin an element is of, and why GStreamer has it not: not
// installed, or installed and on GStreamer's blacklist.
#pragma once
#include <string>

namespace robotlive::robot {

struct MissingElement
{
  std::string text;   // what is wrong
  std::string remedy; // what to do; "" for an element of an unknown package
};

// Of an element that gst_element_factory_find () does not find.
MissingElement missing_element (const std::string &element);

// Where GStreamer keeps its list of elements; with a "*" in it where the name
// is GStreamer's own.
std::string registry_path ();

} // namespace robotlive::robot
