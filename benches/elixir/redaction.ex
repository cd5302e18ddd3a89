defmodule Bench.Redaction do
  @moduledoc "Four patterns in a text of 4 KiB, one of which matches now and then."

  alias Bench.{Pair, WarmUp}
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
    context = %{prompt: text(4_096)}

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
    elixir = fn -> redact(context) end
    {:ok, same} = native.()
    ^same = elixir.()
    true = same != context
    WarmUp.run(native)

    row =
      Pair.row(Pair.repeat(native), Pair.repeat(elixir),
        section: :native,
        what: "native redact, 4 KiB, 4 patterns",
        against: "the same with Regex",
        target: 0.1
      )

    :ok = Manager.unload_plugin(:redacting)
    [row]
  end

  @doc "A text of so many bytes, with something to redact now and then."
  @spec text(pos_integer) :: String.t()
  def text(bytes) do
    piece = String.duplicate(@sentence, 12) <> @secrets
    binary_part(String.duplicate(piece, div(bytes, byte_size(piece)) + 1), 0, bytes)
  end

  @spec patterns() :: [String.t()]
  def patterns, do: @patterns

  @doc "What the native hook does, in Elixir."
  @spec redact(%{prompt: String.t()}) :: %{prompt: String.t()}
  def redact(%{prompt: text} = context) do
    %{context | prompt: Enum.reduce(regexes(), text, &Regex.replace(&1, &2, "[REDACTED]"))}
  end

  # Compiled by the VM that runs them, once.
  defp regexes do
    with nil <- :persistent_term.get(__MODULE__, nil) do
      regexes = Enum.map(@patterns, &Regex.compile!/1)
      :persistent_term.put(__MODULE__, regexes)
      regexes
    end
  end
end
