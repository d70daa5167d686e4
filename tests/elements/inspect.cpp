// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What gst-inspect-1.0 shows of our elements, and that gst/README.md names it.
#include <gst/check/gstcheck.h>
#include <string>

static std::string
readme ()
{
  const std::string path =
      std::string (g_getenv ("ROBOTLIVE_SOURCE_DIR")) + "/gst/README.md";
  g_autofree gchar *text = nullptr;
  fail_unless (g_file_get_contents (path.c_str (), &text, nullptr, nullptr),
      "cannot read %s", path.c_str ());
  return text;
}

static void
check_documented (const std::string &text, const gchar *element,
    const gchar *what, const gchar *name)
{
  fail_unless (text.find ("`" + std::string (name) + "`") != text.npos,
      "%s %s of %s is not in gst/README.md", what, name, element);
}

static void
check_property (GstElement *element, GParamSpec *pspec, const std::string &text)
{
  const gchar *name = pspec->name;
  const gchar *type = G_OBJECT_TYPE_NAME (element);
  fail_unless (strlen (g_param_spec_get_nick (pspec)) > 1);
  fail_unless (strlen (g_param_spec_get_blurb (pspec)) > 15,
      "%s:%s has no blurb", type, name);
  fail_unless (
      (pspec->flags & G_PARAM_STATIC_STRINGS) == G_PARAM_STATIC_STRINGS,
      "%s:%s", type, name);
  const int mutability = GST_PARAM_MUTABLE_READY | GST_PARAM_MUTABLE_PAUSED |
                         GST_PARAM_MUTABLE_PLAYING;
  if (pspec->flags & G_PARAM_WRITABLE)
    fail_unless (
        pspec->flags & mutability, "%s:%s: when may it be set?", type, name);
  check_documented (text, type, "property", name);
  if (G_IS_PARAM_SPEC_ENUM (pspec)) {
    const GEnumClass *values = G_PARAM_SPEC_ENUM (pspec)->enum_class;
    for (guint i = 0; i < values->n_values; ++i) {
      check_documented (text, type, "value", values->values[i].value_nick);
      fail_unless (strlen (values->values[i].value_name) > 5);
    }
  }

  // A secret is not readable; everything else starts at its default.
  // A structure that is only read has no default.
  if (!(pspec->flags & G_PARAM_READABLE) ||
      (pspec->value_type == GST_TYPE_STRUCTURE &&
          !(pspec->flags & G_PARAM_WRITABLE)))
    return;
  GValue value = G_VALUE_INIT;
  g_value_init (&value, pspec->value_type);
  g_object_get_property (G_OBJECT (element), name, &value);
  fail_unless (g_param_value_defaults (pspec, &value),
      "%s:%s does not start at its default", type, name);
  g_value_unset (&value);
}

static void
check_element (const gchar *factory_name)
{
  GstElement *element = gst_element_factory_make (factory_name, nullptr);
  fail_unless (element != nullptr, "no element %s", factory_name);
  gst_object_ref_sink (element);
  const std::string text = readme ();
  const GType type = G_OBJECT_TYPE (element);

  GstElementFactory *factory = gst_element_get_factory (element);
  fail_unless_equals_int (
      gst_plugin_feature_get_rank (GST_PLUGIN_FEATURE (factory)),
      GST_RANK_NONE);
  for (const gchar *key :
      {GST_ELEMENT_METADATA_LONGNAME, GST_ELEMENT_METADATA_KLASS,
          GST_ELEMENT_METADATA_DESCRIPTION, GST_ELEMENT_METADATA_AUTHOR})
    fail_unless (gst_element_factory_get_metadata (factory, key) != nullptr);

  guint count = 0;
  g_autofree GParamSpec **specs =
      g_object_class_list_properties (G_OBJECT_GET_CLASS (element), &count);
  for (guint i = 0; i < count; ++i)
    if (specs[i]->owner_type == type)
      check_property (element, specs[i], text);

  g_autofree guint *ids = g_signal_list_ids (type, &count);
  for (guint i = 0; i < count; ++i)
    check_documented (text, factory_name, "signal", g_signal_name (ids[i]));

  gst_object_unref (element);
}

GST_START_TEST (test_sessiongate)
{
  check_element ("sessiongate");
}
GST_END_TEST;

GST_START_TEST (test_signalingbin)
{
  check_element ("signalingbin");
}
GST_END_TEST;

GST_START_TEST (test_rtspcamera)
{
  check_element ("rtspcamera");
}
GST_END_TEST;

GST_START_TEST (test_filecamera)
{
  check_element ("filecamera");
}
GST_END_TEST;

GST_START_TEST (test_plugin)
{
  GstPlugin *plugin =
      gst_registry_find_plugin (gst_registry_get (), "robotlive");
  fail_unless (plugin != nullptr);
  fail_unless_equals_string (gst_plugin_get_license (plugin), "LGPL");
  fail_unless (gst_plugin_get_release_date_string (plugin) != nullptr);
  fail_if (GST_OBJECT_FLAG_IS_SET (plugin, GST_PLUGIN_FLAG_BLACKLISTED));
  gst_object_unref (plugin);
}
GST_END_TEST;

static Suite *
inspect_suite (void)
{
  Suite *suite = suite_create ("inspect");
  TCase *elements = tcase_create ("elements");
  suite_add_tcase (suite, elements);
  tcase_add_test (elements, test_plugin);
  tcase_add_test (elements, test_sessiongate);
  tcase_add_test (elements, test_signalingbin);
  tcase_add_test (elements, test_rtspcamera);
  tcase_add_test (elements, test_filecamera);
  return suite;
}

GST_CHECK_MAIN (inspect);
