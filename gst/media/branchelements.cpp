// SPDX-License-Identifier: LGPL-2.1-or-later
#include "media/branchelements.hpp"

using namespace robotlive;

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE (
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

// What both are: one pad in, one pad out, and all that is not theirs to decide
// goes through.
static void
add_pads (GstElement *element, GstPad **sink, GstPad **src)
{
  *sink = gst_pad_new_from_static_template (&sink_template, "sink");
  *src = gst_pad_new_from_static_template (&src_template, "src");
  for (GstPad *pad : {*sink, *src}) {
    GST_PAD_SET_PROXY_CAPS (pad);
    gst_element_add_pad (element, pad);
  }
  GST_PAD_SET_PROXY_ALLOCATION (*sink);
}

static void
describe (GstElementClass *klass, const char *name, const char *text)
{
  gst_element_class_set_metadata (
      klass, name, "Filter/Network", text, "The gst-robotlive developers");
  gst_element_class_add_static_pad_template (klass, &sink_template);
  gst_element_class_add_static_pad_template (klass, &src_template);
}

// robotlivethin --------------------------------------------------------------

struct RobotliveThin
{
  GstElement parent;
  GstPad *sink, *src;
  std::shared_ptr<Thinner> *thinner;
};
struct RobotliveThinClass
{
  GstElementClass parent;
};
G_DEFINE_TYPE (RobotliveThin, robotlive_thin, GST_TYPE_ELEMENT)

static GstFlowReturn
thin_chain (GstPad *, GstObject *parent, GstBuffer *buffer)
{
  auto *self = reinterpret_cast<RobotliveThin *> (parent);
  if ((*self->thinner)->pass (buffer))
    return gst_pad_push (self->src, buffer);
  gst_buffer_unref (buffer);
  return GST_FLOW_OK;
}

static void
robotlive_thin_init (RobotliveThin *self)
{
  add_pads (GST_ELEMENT (self), &self->sink, &self->src);
  gst_pad_set_chain_function (self->sink, GST_DEBUG_FUNCPTR (thin_chain));
}

static void
thin_finalize (GObject *object)
{
  delete reinterpret_cast<RobotliveThin *> (object)->thinner;
  G_OBJECT_CLASS (robotlive_thin_parent_class)->finalize (object);
}

static void
robotlive_thin_class_init (RobotliveThinClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = thin_finalize;
  describe (GST_ELEMENT_CLASS (klass), "Thinner",
      "Leaves pictures out of a viewer's stream");
}

// robotlivepace --------------------------------------------------------------

struct RobotlivePace
{
  GstElement parent;
  GstPad *sink, *src;
  std::shared_ptr<PacketPath> *path;
};
struct RobotlivePaceClass
{
  GstElementClass parent;
};
G_DEFINE_TYPE (RobotlivePace, robotlive_pace, GST_TYPE_ELEMENT)

static GstFlowReturn
pace_chain (GstPad *, GstObject *parent, GstBuffer *packet)
{
  auto *self = reinterpret_cast<RobotlivePace *> (parent);
  return (*self->path)->push (self->src, packet);
}

static GstFlowReturn
pace_chain_list (GstPad *, GstObject *parent, GstBufferList *packets)
{
  auto *self = reinterpret_cast<RobotlivePace *> (parent);
  return (*self->path)->push (self->src, packets);
}

static gboolean
pace_sink_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  auto *self = reinterpret_cast<RobotlivePace *> (parent);
  PacketPath &path = **self->path;
  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_FLUSH_START:
      path.set_flushing (true);
      break;
    case GST_EVENT_FLUSH_STOP:
      path.clear ();
      path.set_flushing (false);
      break;
    default:
      if (GST_EVENT_IS_SERIALIZED (event))
        path.drain (self->src);
      break;
  }
  return gst_pad_event_default (pad, parent, event);
}

static GstStateChangeReturn
pace_change_state (GstElement *element, GstStateChange transition)
{
  PacketPath &path = **reinterpret_cast<RobotlivePace *> (element)->path;
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED)
    path.set_flushing (false);
  else if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    path.set_flushing (true); // or the pads would wait for who waits
  const GstStateChangeReturn result =
      GST_ELEMENT_CLASS (robotlive_pace_parent_class)
          ->change_state (element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    path.clear ();
  return result;
}

static void
robotlive_pace_init (RobotlivePace *self)
{
  add_pads (GST_ELEMENT (self), &self->sink, &self->src);
  gst_pad_set_chain_function (self->sink, GST_DEBUG_FUNCPTR (pace_chain));
  gst_pad_set_chain_list_function (
      self->sink, GST_DEBUG_FUNCPTR (pace_chain_list));
  gst_pad_set_event_function (self->sink, GST_DEBUG_FUNCPTR (pace_sink_event));
}

static void
pace_finalize (GObject *object)
{
  delete reinterpret_cast<RobotlivePace *> (object)->path;
  G_OBJECT_CLASS (robotlive_pace_parent_class)->finalize (object);
}

static void
robotlive_pace_class_init (RobotlivePaceClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = pace_finalize;
  GST_ELEMENT_CLASS (klass)->change_state =
      GST_DEBUG_FUNCPTR (pace_change_state);
  describe (GST_ELEMENT_CLASS (klass), "Pacer",
      "Sends a picture's packets together, or one after another");
}

namespace robotlive {

GstElement *
make_thin (std::shared_ptr<Thinner> thinner)
{
  auto *self = static_cast<RobotliveThin *> (
      g_object_new (robotlive_thin_get_type (), nullptr));
  self->thinner = new std::shared_ptr<Thinner> (std::move (thinner));
  return GST_ELEMENT (self);
}

GstElement *
make_pace (std::shared_ptr<PacketPath> path)
{
  auto *self = static_cast<RobotlivePace *> (
      g_object_new (robotlive_pace_get_type (), nullptr));
  self->path = new std::shared_ptr<PacketPath> (std::move (path));
  return GST_ELEMENT (self);
}

} // namespace robotlive
