/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_FILE_CAMERA (gst_file_camera_get_type ())
G_DECLARE_FINAL_TYPE (GstFileCamera, gst_file_camera, GST, FILE_CAMERA, GstBin)

GST_ELEMENT_REGISTER_DECLARE (filecamera);

G_END_DECLS
