defmodule NativePlugin.TextHooks do
  @moduledoc """
  The door to the crate `native/text_hooks`.

  Its hooks: `:squeeze`, `:word_limit` and `:reading_time`.
  """

  use Pipeline.Native.Library, otp_app: :native_plugin, crate: :text_hooks
end
