// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once
#include "base/glibptr.hpp"
#include <gst/gst.h>

namespace robotlive {

// An element of *factory* somewhere inside *bin*, the first of them; or null.
inline GPtr<GstElement>
find_element (GstElement *bin, const char *factory)
{
  GPtr<GstElement> found;
  GstIterator *all =
      gst_bin_iterate_all_by_element_factory_name (GST_BIN (bin), factory);
  g_auto (GValue) item = G_VALUE_INIT;
  if (gst_iterator_next (all, &item) == GST_ITERATOR_OK)
    found = share (GST_ELEMENT (g_value_get_object (&item)));
  gst_iterator_free (all);
  return found;
}

} // namespace robotlive
