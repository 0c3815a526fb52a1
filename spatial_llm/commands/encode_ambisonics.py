"""Encode a recording of an array to ambisonics, and say in which bands the result holds.

    spatial-llm encode-ambisonics recording.wav --microphone glasses.yaml --order 1 --out foa.wav

For listening, export, and models that take ambisonics only: models of the sound field take arrays as they are, which tells
more. Writes a WAV file (ACN/SN3D, 32-bit float, the recording's own rate) and, as foa.wav.json, what holds in it: of each
octave band the share of each channel's pattern that the array can form, the noise of the microphones in it, and by how many
degrees directions are wrong. All of that is known from the places of the microphones alone. A channel is silent where less
than --min_validity of it is formed: above spatial aliasing, at half a wavelength between the microphones, its directions
would be wrong by 36 to 120 degrees without a trace. WAV, AIFF and FLAC of a day take no more memory than one of a minute.
"""

from collections.abc import Sequence

from spatial_llm.commands.arguments import Parser


def main(argv: Sequence[str] | None = None, script: str | None = None) -> None:
    """Runs the command, see `spatial_llm.commands`."""
    parser = Parser("encode-ambisonics", script or __doc__)
    parser.add_argument("recording", help="the recording, one channel a microphone")
    parser.add_argument(
        "--microphone",
        required=True,
        metavar="FORMAT",
        help="a YAML or JSON file with the places of the microphones, or array:[[x, y, z], ...] in metres",
    )
    parser.add_argument("--out", required=True, metavar="FILE", help="WAV file to write")
    parser.add_argument("--order", type=int, default=1, help="of the ambisonics, 1 to 3; default 1")
    parser.add_argument(
        "--min_validity",
        type=float,
        default=0.5,
        metavar="SHARE",
        help="a channel is silent where it is formed less than this, 0 to 1; default 0.5",
    )
    arguments = parser.parse_args(argv)

    from spatial_llm.audio.ambisonic_encoding import EncodingSettings
    from spatial_llm.audio.encoding_file import encode_file
    from spatial_llm.audio.formats import as_format
    from spatial_llm.encoders.transfer import transfer

    settings = EncodingSettings(arguments.order, arguments.min_validity)
    found = encode_file(arguments.recording, as_format(arguments.microphone), arguments.out, settings, transfer)
    print("\n".join(found["words"]))
    print(f"written: {arguments.out}, {arguments.out}.json")
