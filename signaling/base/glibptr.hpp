// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Owning pointers for class members. Locals use g_autoptr; a member cannot.
#pragma once
#include <glib-object.h>
#include <memory>

namespace robotlive {

struct GObjectUnref
{
  void operator() (gpointer object) const { g_object_unref (object); }
};

// One reference to a GObject (a GstObject is one).
template <typename T> using GPtr = std::unique_ptr<T, GObjectUnref>;

// Takes over the caller's reference: "transfer full".
template <typename T>
GPtr<T>
adopt (T *object)
{
  return GPtr<T> (object);
}

// Adds a reference: "transfer none".
template <typename T>
GPtr<T>
share (T *object)
{
  return GPtr<T> (object ? static_cast<T *> (g_object_ref (object)) : nullptr);
}

// Sinks a floating reference, as of a new element: "transfer floating".
template <typename T>
GPtr<T>
sink (T *object)
{
  return GPtr<T> (
      object ? static_cast<T *> (g_object_ref_sink (object)) : nullptr);
}

} // namespace robotlive
