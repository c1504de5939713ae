"""Names of `lrp_domains.genomics` that are public here: whoever explains sequences reads them from files first."""

from ..genomics.letters import Alphabet as Alphabet
from ..genomics.logos import logo_figure as logo_figure
from ..genomics.records import Record as Record
from ..genomics.records import read_bed as read_bed
from ..genomics.records import read_fasta as read_fasta
from ..genomics.sequences import read_sequences as read_sequences
from ..genomics.shuffles import dinucleotide_shuffle as dinucleotide_shuffle
from ..genomics.variants import Variant as Variant
from ..genomics.variants import read_vcf as read_vcf
