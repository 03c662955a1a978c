# Bars: one block of data per series, with the middle of a bar and its height.
set boxwidth 0.8 absolute
{{> style}}
{{#series}}
$series{{number}} << EOD
{{#points}}
{{.}}
{{/points}}
EOD
{{/series}}
plot {{#series}}$series{{number}} using 1:2 with boxes linecolor rgb '{{colour}}'{{^last()}}, \
  {{/last()}}{{/series}}
