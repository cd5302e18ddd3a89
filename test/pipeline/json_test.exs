defmodule Pipeline.JSONTest do
  use ExUnit.Case, async: true

  alias Pipeline.JSON

  test "reads what it writes, and writes the same each time" do
    term = %{
      "text" => "a \"quoted\" \\ line\n\u0001 ä 🎁",
      "list" => [1, -20, true, false, nil, [], %{}],
      "nested" => %{"b" => 1, "a" => [%{"x" => ""}]}
    }

    text = JSON.encode(term)
    assert JSON.decode(text) == {:ok, term}
    assert text == JSON.encode(Map.new(Enum.reverse(Map.to_list(term))))
    assert text =~ ~s(  "nested": {\n    "a": [\n      {\n        "x": ""\n      }\n    ],\n    "b": 1\n  })
  end

  test "reads escapes" do
    assert JSON.decode(~S( "\u00e4\/\b\f\r\t\ud83c\udf81" )) == {:ok, "ä/\b\f\r\t🎁"}
  end

  test "refuses what has no one meaning, or is none" do
    for {text, sentence} <- [
          {"", "ends too early"},
          {"{", "ends too early"},
          {~s({"a": 1, "a": 2}), ~s(has the key "a" twice)},
          {"[1.5]", ~s(has "1.5]" where it does not belong)},
          {"[01]", ~s(has "01]" where it does not belong)},
          {"[1e9]", ~s(has "1e9]" where it does not belong)},
          {"[1,]", ~s(has "]" where it does not belong)},
          {"{\"a\" 1}", ~s(has "1}" where it does not belong)},
          {"[] x", ~s(goes on after its end with "x")},
          {<<?", 255, ?">>, "is not UTF-8"},
          {~S("\ud800"), "has half a surrogate pair"},
          {~S("\ud800\u0041"), "has half a surrogate pair"},
          {~S("\u12G4"), "has a \\u without four hexadecimal digits"},
          {~S("\x"), ~S(has "x\"" where it does not belong)},
          {~s("a\nb"), "has a control character in a string"},
          {~s("abc), "ends within a string"},
          {String.duplicate("9", 30), "has an integer of more than 18 digits"},
          {String.duplicate("[", 100_000), "is nested deeper than 32 levels"}
        ] do
      assert JSON.decode(text) == {:error, sentence}
    end
  end
end
