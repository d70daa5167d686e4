// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Registration only.
// First: gst.h looks for the date of the release in it.
#include "config.h"

#include "bin/gstsignalingbin.h"
#include "camera/gstfilecamera.h"
#include "camera/gstrtspcamera.h"
#include "gate/gstsessiongate.h"
#include <gst/gst.h>

static gboolean
plugin_init (GstPlugin *plugin)
{
  gboolean ok = GST_ELEMENT_REGISTER (sessiongate, plugin);
  ok &= GST_ELEMENT_REGISTER (signalingbin, plugin);
  ok &= GST_ELEMENT_REGISTER (rtspcamera, plugin);
  ok &= GST_ELEMENT_REGISTER (filecamera, plugin);
  return ok;
}

// The macro casts string literals to gchar *.
#pragma GCC diagnostic ignored "-Wcast-qual"
GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, robotlive,
    "A robot's camera on the web, for the people who booked it", plugin_init,
    VERSION, "LGPL", GST_PACKAGE_NAME, GST_PACKAGE_ORIGIN)
