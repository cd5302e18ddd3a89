defmodule Bench.Redaction do
  @moduledoc "Four patterns in a text of 4 KiB, one of which matches now and then."

  alias Bench.Pair
  alias Pipeline.Plugin.Manager

  @patterns [
    "[0-9]{3}-[0-9]{2}-[0-9]{4}",
    "[A-Za-z0-9._]+@[A-Za-z0-9]+\\.[a-z]+",
    "\\+[0-9]{2} [0-9]{3} [0-9]{6}",
    "sk-[A-Za-z0-9]{20}"
  ]
  @sentence "The quarterly figures of the northern branch were sent to all who had asked for them by the end of May. "
  @secrets "Call Ada at +49 170 123456 or write to ada@example.org, her number is 123-45-6789. "

  def rows do
    text = binary_part(String.duplicate(String.duplicate(@sentence, 12) <> @secrets, 4), 0, 4_096)
    context = %{prompt: text}
    regexes = Enum.map(@patterns, &Regex.compile!/1)

    Module.create(
      Bench.Redacting,
      quote do
        use Pipeline.Plugin, id: :redacting, version: "1.0.0"
        @moduledoc "Redacts."
        hook :before, :redact, native: :redact, config: %{field: :prompt, patterns: unquote(@patterns)}
      end,
      Macro.Env.location(__ENV__)
    )

    {:ok, :redacting} = Manager.load_plugin(Bench.Redacting)

    native = fn -> Pipeline.Hook.run(:redact, context) end
    elixir = fn -> Map.update!(context, :prompt, &redact(&1, regexes)) end
    {:ok, same} = native.()
    ^same = elixir.()
    true = same != context

    row =
      Pair.row(Pair.repeat(native), Pair.repeat(elixir),
        what: "native redact through Pipeline.Hook.run, 4 KiB, 4 patterns",
        against: "the same in Elixir's Regex",
        target: 0.1
      )

    :ok = Manager.unload_plugin(:redacting)
    [row]
  end

  defp redact(text, regexes) do
    Enum.reduce(regexes, text, &Regex.replace(&1, &2, "[REDACTED]"))
  end
end
