mkdir d
touch 'd/a b' "d/q'uo\"te" d/ü d/한국 'd/-x' 'd/new
line' 'd/back\slash' d/#h
