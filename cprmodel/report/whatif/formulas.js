// Printed by make formulas: do not edit.
const formulas = {
young_1974: ({save_s, mtbf_s}) => {
  return Math.sqrt(2)*Math.sqrt(mtbf_s*save_s);
},
partial_recovery_interval: ({save_s, mtbf_s, whole_job_share}) => {
  const x0 = whole_job_share > 0;
  return ((x0) ? ( Math.sqrt(2)*Math.sqrt(mtbf_s*save_s*((x0) ? ( 1/whole_job_share ) : ( 1 ))) ) : ( Number.POSITIVE_INFINITY ));
},
full_recovery_overhead: ({interval_s, save_s, mtbf_s, load_s = 0, reschedule_s = 0}) => {
  const x0 = save_s/interval_s;
  const x1 = 1/mtbf_s;
  const x2 = load_s*x1;
  const x3 = (1/2)*interval_s*x1;
  const x4 = reschedule_s*x1;
  return {save: x0, load: x2, lost: x3, reschedule: x4, total: x0 + x2 + x3 + x4};
},
partial_recovery_overhead: ({interval_s, save_s, mtbf_s, partial_load_s = 0, partial_reschedule_s = 0, shard_share = 1, trainer_share = 0, whole_job_share = 0, trainer_reschedule_s = 0, load_s = 0, reschedule_s = 0}) => {
  const x0 = save_s/interval_s;
  const x1 = 1/mtbf_s;
  const x2 = x1*(load_s*whole_job_share + partial_load_s*shard_share);
  const x3 = (1/2)*interval_s*whole_job_share*x1;
  const x4 = x1*(partial_reschedule_s*shard_share + reschedule_s*whole_job_share + trainer_reschedule_s*trainer_share);
  return {save: x0, load: x2, lost: x3, reschedule: x4, total: x0 + x2 + x3 + x4};
},
priority_pls: ({stale_s, last_stale_s, work_s, interval_s, save_s, mtbf_s, shards, failed_shards = 1, partial_load_s = 0, partial_reschedule_s = 0, shard_share = 1, trainer_share = 0, trainer_reschedule_s = 0}) => {
  const x0 = special.intervals(work_s, interval_s) - 1;
  const x1 = 1/shards;
  const x2 = 1/mtbf_s;
  const x3 = -100*mtbf_s;
  const x4 = -Math.max(-partial_load_s, x3) - Math.max(-partial_reschedule_s, x3);
  const x5 = Math.max(-trainer_reschedule_s, x3);
  const x6 = -x2*Math.max(x4, -x5);
  const x7 = Math.exp(x6);
  const x8 = -x7;
  const x9 = Math.expm1(x6);
  const x10 = Math.max(-shard_share - trainer_share + 1, 0);
  const x11 = x10*x9;
  const x12 = 1/(-x11 - x8);
  const x13 = failed_shards*x1;
  const x14 = 1 - x13;
  const x15 = shard_share*x13;
  const x16 = x10 + x15;
  const x17 = x9/(-x16*x9 - x8);
  const x18 = x2*x5;
  const x19 = Math.expm1(x18);
  const x20 = trainer_share*x19/(-x19*(shard_share + x10) + Math.exp(x18));
  const x21 = -x2*x4;
  const x22 = -Math.exp(x21);
  const x23 = Math.expm1(x21);
  const x24 = 1/(-x22 - x23*(trainer_share + x10));
  const x25 = trainer_share*x12;
  const x26 = x25*x7;
  const x27 = -failed_shards*shard_share*x1*x24*(-x22 - x23*x26);
  const x28 = shard_share*x23;
  const x29 = x14*x28*(-x15*x17*x26 - x27)/(-x22 - x23*(trainer_share + x16)) + x20*(failed_shards*shard_share*x1*x12*x7 - Math.pow(shard_share, 2)*x12*x13*x14*x17*x7) + x27;
  const x30 = -x29;
  const x31 = interval_s*x2;
  const x32 = x30*x31;
  const x33 = -x32;
  const x34 = -x10;
  const x35 = -x20*(-shard_share*x11*x12 - x34) - x24*x28*(-x11*x25 - x34) - x29 - x34;
  const x36 = Math.expm1(-x2*Math.max(-save_s, x3));
  const x37 = x35*x36;
  const x38 = -interval_s*x0 + work_s;
  const x39 = x2*x38;
  return (-last_stale_s*Math.expm1(-x35*x39 - Math.log1p(0)) + x0*(interval_s*(x30*x36*special.exprel(x33)/(x37 + 1) + x32*special.phi2(x33)) - stale_s*Math.expm1(-x31*x35 - Math.log1p(x37))) + x2*x30*Math.pow(x38, 2)*special.phi2(-x30*x39))/work_s;
},
priority_pls_deviation: ({work_square_s2, save_square_s2, stale_square_s2, work_s, interval_s, save_s, mtbf_s, shards, failed_shards = 1, partial_load_s = 0, partial_reschedule_s = 0, shard_share = 1, trainer_share = 0, trainer_reschedule_s = 0, failed_scatter = 0}) => {
  const x0 = 1/mtbf_s;
  const x1 = work_s*x0;
  const x2 = -100*mtbf_s;
  const x3 = (special.intervals(work_s, interval_s) - 1)*Math.expm1(-x0*Math.max(-save_s, x2));
  const x4 = Math.max(-shard_share - trainer_share + 1, 0);
  const x5 = -x4;
  const x6 = -Math.max(-partial_load_s, x2) - Math.max(-partial_reschedule_s, x2);
  const x7 = -x0*x6;
  const x8 = -Math.exp(x7);
  const x9 = trainer_share + x4;
  const x10 = Math.expm1(x7);
  const x11 = 1/(-x10*x9 - x8);
  const x12 = Math.max(-trainer_reschedule_s, x2);
  const x13 = -x0*Math.max(x6, -x12);
  const x14 = Math.exp(x13);
  const x15 = -x14;
  const x16 = Math.expm1(x13);
  const x17 = x16*x4;
  const x18 = 1/(-x15 - x17);
  const x19 = x17*x18;
  const x20 = shard_share*x10;
  const x21 = x0*x12;
  const x22 = Math.expm1(x21);
  const x23 = trainer_share*x22/(-x22*(shard_share + x4) + Math.exp(x21));
  const x24 = 1/shards;
  const x25 = Math.floor(failed_shards);
  const x26 = failed_shards*x24;
  const x27 = 1 - x26;
  const x28 = x14*x18;
  const x29 = shard_share*x26;
  const x30 = x16/(-x15 - x16*(x29 + x4));
  const x31 = trainer_share*x28;
  const x32 = -failed_shards*shard_share*x11*x24*(-x10*x31 - x8);
  return Math.sqrt(stale_square_s2*(x1 + x3)*(-x11*x20*(-trainer_share*x19 - x5) - x23*(-shard_share*x19 - x5) - x5) + x24*(save_square_s2*x3 + work_square_s2*x1)*(failed_scatter + Math.pow(x25, 2) + (failed_shards - x25)*(2*x25 + 1))*(-x20*x27*(-x29*x30*x31 - x32)/(-x10*(x29 + x9) - x8) - x23*(failed_shards*shard_share*x14*x18*x24 - Math.pow(shard_share, 2)*x26*x27*x28*x30) - x32)/failed_shards)/work_s;
},
exact_interval: ({save_s, mtbf_s}) => {
  return mtbf_s*special.renewal_root(save_s/mtbf_s);
},
exact_pls_interval: ({pls, mtbf_s, shards, shard_share = 1, failed_shards = 1, save_s = 0, partial_load_s = 0, partial_reschedule_s = 0, trainer_share = 0, whole_job_share = 0, trainer_reschedule_s = 0}) => {
  const x0 = -whole_job_share;
  const x1 = 1/mtbf_s;
  const x2 = -100*mtbf_s;
  const x3 = -Math.max(-partial_load_s, x2) - Math.max(-partial_reschedule_s, x2);
  const x4 = -x1*x3;
  const x5 = -Math.exp(x4);
  const x6 = trainer_share + whole_job_share;
  const x7 = Math.expm1(x4);
  const x8 = 1/(-x5 - x6*x7);
  const x9 = Math.max(-trainer_reschedule_s, x2);
  const x10 = -x1*Math.max(x3, -x9);
  const x11 = Math.exp(x10);
  const x12 = -x11;
  const x13 = Math.expm1(x10);
  const x14 = whole_job_share*x13;
  const x15 = 1/(-x12 - x14);
  const x16 = x14*x15;
  const x17 = shard_share*x7;
  const x18 = x1*x9;
  const x19 = Math.expm1(x18);
  const x20 = trainer_share*x19/(-x19*(shard_share + whole_job_share) + Math.exp(x18));
  const x21 = Math.expm1(-x1*Math.max(-save_s, x2));
  const x22 = 1/shards;
  const x23 = failed_shards*x22;
  const x24 = 1 - x23;
  const x25 = x11*x15;
  const x26 = shard_share*x23;
  const x27 = x13/(-x12 - x13*(whole_job_share + x26));
  const x28 = trainer_share*x25;
  const x29 = -failed_shards*shard_share*x22*x8*(-x28*x7 - x5);
  const x30 = -x17*x24*(-x26*x27*x28 - x29)/(-x5 - x7*(x26 + x6)) - x20*(failed_shards*shard_share*x11*x15*x22 - Math.pow(shard_share, 2)*x23*x24*x25*x27) - x29;
  const x31 = x21*x30;
  const x32 = Math.max(pls - x31/(x21*(-x0 - x17*x8*(-trainer_share*x16 - x0) - x20*(-shard_share*x16 - x0)) + x31 + 1), 0)/(1 - pls);
  const x33 = x1*x30 > 0;
  return ((x33) ? ( (x32 + special.renewal_root(special.log1p_gap(x32)))*((x33) ? ( mtbf_s/x30 ) : ( 1 )) ) : ( Number.POSITIVE_INFINITY ));
},
partial_recovery_exact_interval: ({save_s, mtbf_s, partial_load_s = 0, partial_reschedule_s = 0, shard_share = 1, trainer_share = 0, whole_job_share = 0, trainer_reschedule_s = 0, load_s = 0, reschedule_s = 0}) => {
  const x0 = whole_job_share > 0;
  const x1 = ((x0) ? ( whole_job_share ) : ( 1 ));
  const x2 = -x1;
  const x3 = 1/mtbf_s;
  const x4 = -x3*(partial_load_s + partial_reschedule_s);
  const x5 = Math.expm1(x4);
  const x6 = -x3*(partial_load_s + Math.max(partial_reschedule_s, -partial_load_s + trainer_reschedule_s));
  const x7 = x1*Math.expm1(x6);
  const x8 = x7/(-x7 + Math.exp(x6));
  const x9 = -trainer_reschedule_s*x3;
  const x10 = Math.expm1(x9);
  const x11 = -shard_share*x5*(-trainer_share*x8 - x2)/(-x5*(trainer_share + x1) + Math.exp(x4)) - trainer_share*x10*(-shard_share*x8 - x2)/(-x10*(shard_share + x1) + Math.exp(x9)) - x2;
  return ((x0) ? ( mtbf_s*special.renewal_root(Math.log1p(x11*Math.expm1(save_s*x3)))/x11 ) : ( Number.POSITIVE_INFINITY ));
},
full_recovery_makespan: ({work_s, interval_s, save_s, mtbf_s, load_s = 0, reschedule_s = 0}) => {
  const x0 = special.intervals(work_s, interval_s) - 1;
  const x1 = save_s*x0;
  const x2 = 1/mtbf_s;
  const x3 = -interval_s*x0 + work_s;
  const x4 = x2*x3;
  const x5 = Math.expm1(x4);
  const x6 = load_s*x2;
  const x7 = mtbf_s*Math.expm1(x6);
  const x8 = interval_s + save_s;
  const x9 = x2*x8;
  const x10 = x0*Math.expm1(x9);
  const x11 = x10*x7 + x5*x7;
  const x12 = x0*x2*Math.pow(x8, 2)*special.phi2(x9) + x2*Math.pow(x3, 2)*special.phi2(x4);
  const x13 = mtbf_s*Math.expm1(reschedule_s*x2)*Math.exp(x6);
  const x14 = x10*x13 + x13*x5;
  return {save: x1, load: x11, lost: x12, reschedule: x14, total: x1 + x11 + x12 + x14};
},
partial_recovery_makespan: ({work_s, interval_s, save_s, mtbf_s, partial_load_s = 0, partial_reschedule_s = 0, shard_share = 1, trainer_share = 0, whole_job_share = 0, trainer_reschedule_s = 0, load_s = 0, reschedule_s = 0}) => {
  const x0 = special.intervals(work_s, interval_s) - 1;
  const x1 = save_s*x0;
  const x2 = 1/mtbf_s;
  const x3 = -x2*(partial_load_s + partial_reschedule_s);
  const x4 = Math.expm1(x3);
  const x5 = 1/(-x4*(trainer_share + whole_job_share) + Math.exp(x3));
  const x6 = -partial_reschedule_s*x2;
  const x7 = special.exprel(-partial_load_s*x2);
  const x8 = trainer_share*x4;
  const x9 = Math.max(partial_reschedule_s, -partial_load_s + trainer_reschedule_s);
  const x10 = -x2*(partial_load_s + x9);
  const x11 = whole_job_share*Math.expm1(x10);
  const x12 = 1/(-x11 + Math.exp(x10));
  const x13 = -x2*x9;
  const x14 = partial_load_s*x12*x7*Math.exp(x13);
  const x15 = -trainer_reschedule_s*x2;
  const x16 = Math.expm1(x15);
  const x17 = trainer_share/(-x16*(shard_share + whole_job_share) + Math.exp(x15));
  const x18 = x16*x17;
  const x19 = -shard_share*x14*x18 + shard_share*x5*(partial_load_s*x7*Math.exp(x6) - x14*x8);
  const x20 = -whole_job_share;
  const x21 = x11*x12;
  const x22 = shard_share*x5;
  const x23 = -x18*(-shard_share*x21 - x20) - x20 - x22*x4*(-trainer_share*x21 - x20);
  const x24 = save_s*x2;
  const x25 = Math.expm1(x24);
  const x26 = x23*x25;
  const x27 = x26 + 1;
  const x28 = x2*x23;
  const x29 = interval_s*x28;
  const x30 = interval_s*x2*x27*special.exprel(x29) + x25;
  const x31 = x26 + x27*Math.expm1(x29);
  const x32 = load_s*x2;
  const x33 = mtbf_s*Math.expm1(x32);
  const x34 = -interval_s*x0 + work_s;
  const x35 = x28*x34;
  const x36 = Math.expm1(x35);
  const x37 = x2*x34*special.exprel(x35);
  const x38 = x0*(x19*x30 + x31*x33) + x19*x37 + x33*x36;
  const x39 = x0*(interval_s*(x26 + x27*x29*special.phi2(x29)) + Math.pow(save_s, 2)*x2*special.phi2(x24)) + x28*Math.pow(x34, 2)*special.phi2(x35);
  const x40 = x12*x9*special.exprel(x13);
  const x41 = x17*(-shard_share*x16*x40 + trainer_reschedule_s*special.exprel(x15)) + x22*(partial_reschedule_s*special.exprel(x6) - x40*x8);
  const x42 = mtbf_s*Math.expm1(reschedule_s*x2)*Math.exp(x32);
  const x43 = x0*(x30*x41 + x31*x42) + x36*x42 + x37*x41;
  return {save: x1, load: x38, lost: x39, reschedule: x43, total: x1 + x38 + x39 + x43};
},
exact_pls: ({work_s, interval_s, mtbf_s, shards, shard_share = 1, failed_shards = 1, save_s = 0, partial_load_s = 0, partial_reschedule_s = 0, trainer_share = 0, whole_job_share = 0, trainer_reschedule_s = 0}) => {
  const x0 = 1/mtbf_s;
  const x1 = 1/shards;
  const x2 = -100*mtbf_s;
  const x3 = -Math.max(-partial_load_s, x2) - Math.max(-partial_reschedule_s, x2);
  const x4 = Math.max(-trainer_reschedule_s, x2);
  const x5 = -x0*Math.max(x3, -x4);
  const x6 = Math.exp(x5);
  const x7 = -x6;
  const x8 = Math.expm1(x5);
  const x9 = whole_job_share*x8;
  const x10 = 1/(-x7 - x9);
  const x11 = failed_shards*x1;
  const x12 = 1 - x11;
  const x13 = shard_share*x11;
  const x14 = whole_job_share + x13;
  const x15 = x8/(-x14*x8 - x7);
  const x16 = x0*x4;
  const x17 = Math.expm1(x16);
  const x18 = trainer_share*x17/(-x17*(shard_share + whole_job_share) + Math.exp(x16));
  const x19 = -x0*x3;
  const x20 = -Math.exp(x19);
  const x21 = Math.expm1(x19);
  const x22 = 1/(-x20 - x21*(trainer_share + whole_job_share));
  const x23 = trainer_share*x10;
  const x24 = x23*x6;
  const x25 = -failed_shards*shard_share*x1*x22*(-x20 - x21*x24);
  const x26 = shard_share*x21;
  const x27 = -x12*x26*(-x13*x15*x24 - x25)/(-x20 - x21*(trainer_share + x14)) - x18*(failed_shards*shard_share*x1*x10*x6 - Math.pow(shard_share, 2)*x10*x11*x12*x15*x6) - x25;
  const x28 = x0*x27;
  const x29 = interval_s*x28;
  const x30 = -x29;
  const x31 = -whole_job_share;
  const x32 = Math.expm1(-x0*Math.max(-save_s, x2));
  const x33 = x27*x32;
  const x34 = interval_s*(special.intervals(work_s, interval_s) - 1);
  const x35 = work_s - x34;
  return (x28*Math.pow(x35, 2)*special.phi2(-x28*x35) + x34*(x29*special.phi2(x30) + x33*special.exprel(x30)/(x32*(-x18*(-shard_share*x10*x9 - x31) - x22*x26*(-x23*x9 - x31) - x31) + x33 + 1)))/work_s;
},
exact_pls_deviation: ({work_s, interval_s, mtbf_s, shards, shard_share = 1, failed_shards = 1, save_s = 0, partial_load_s = 0, partial_reschedule_s = 0, trainer_share = 0, whole_job_share = 0, trainer_reschedule_s = 0, failed_scatter = 0}) => {
  const x0 = special.intervals(work_s, interval_s) - 1;
  const x1 = -interval_s*x0 + work_s;
  const x2 = Math.pow(x1, 2);
  const x3 = 1/shards;
  const x4 = 1/mtbf_s;
  const x5 = -100*mtbf_s;
  const x6 = -Math.max(-partial_load_s, x5) - Math.max(-partial_reschedule_s, x5);
  const x7 = Math.max(-trainer_reschedule_s, x5);
  const x8 = -x4*Math.max(x6, -x7);
  const x9 = Math.exp(x8);
  const x10 = -x9;
  const x11 = Math.expm1(x8);
  const x12 = whole_job_share*x11;
  const x13 = 1/(-x10 - x12);
  const x14 = failed_shards*x3;
  const x15 = 1 - x14;
  const x16 = x13*x9;
  const x17 = Math.pow(shard_share, 2)*x16;
  const x18 = shard_share*x14;
  const x19 = whole_job_share + x18;
  const x20 = x11/(-x10 - x11*x19);
  const x21 = x4*x7;
  const x22 = Math.expm1(x21);
  const x23 = trainer_share*x22/(-x22*(shard_share + whole_job_share) + Math.exp(x21));
  const x24 = x23*(failed_shards*shard_share*x13*x3*x9 - x14*x15*x17*x20);
  const x25 = -x4*x6;
  const x26 = -Math.exp(x25);
  const x27 = Math.expm1(x25);
  const x28 = trainer_share + whole_job_share;
  const x29 = 1/(-x26 - x27*x28);
  const x30 = trainer_share*x16;
  const x31 = -x26 - x27*x30;
  const x32 = -failed_shards*shard_share*x29*x3*x31;
  const x33 = shard_share*x27;
  const x34 = x15*x33*(-x18*x20*x30 - x32)/(-x26 - x27*(trainer_share + x19));
  const x35 = -x24 - x32 - x34;
  const x36 = Math.pow(x35, 2);
  const x37 = x1*x4;
  const x38 = x35*x37;
  const x39 = -x38;
  const x40 = 2*x38;
  const x41 = x29*x31;
  const x42 = 2*x14;
  const x43 = shards - 1;
  const x44 = Math.floor(failed_shards);
  const x45 = x3*(failed_scatter + x44*(2*failed_shards - x44 - 1))/Math.max(x43, 1);
  const x46 = x42 - x45;
  const x47 = -x42 + x45 + 1;
  const x48 = shard_share*x46;
  const x49 = x11/(-x10 - x11*(whole_job_share + x48));
  const x50 = -x41*x48;
  const x51 = x23*(shard_share*x13*x46*x9 - x17*x46*x47*x49) + x33*x47*(-x30*x48*x49 - x50)/(-x26 - x27*(x28 + x48)) + x50;
  const x52 = 2*x18*x41 - 2*x24 - 2*x34 + x51;
  const x53 = x3*x43;
  const x54 = Math.expm1(-x4*Math.max(-save_s, x5));
  const x55 = x35*x54;
  const x56 = -whole_job_share;
  const x57 = x12*x13;
  const x58 = x54*(-x23*(-shard_share*x57 - x56) - x29*x33*(-trainer_share*x57 - x56) - x56) + 1;
  const x59 = x55 + x58;
  const x60 = x55/x59;
  const x61 = 1 - x60;
  const x62 = interval_s*x4;
  const x63 = x35*x62;
  const x64 = -x63;
  const x65 = x54*x58*(x36*x54 + x52*x58)/(Math.pow(x59, 2)*(-x51*x54 + x58));
  return Math.sqrt(Math.max(Math.pow(interval_s, 2)*x0*(x3*(x60 + x63*(2 - 2*x60)*special.phi3(x64) - Math.pow(x60 + x61*x63*special.phi2(x64), 2)) + x53*(x65*Math.pow(special.exprel(x64), 2) + (2*Math.pow(x61, 2) + 2*x65)*special.joint_gap(x63, -x52*x62 + 2*x63))) + x2*(x3*(x40*special.phi3(x39) - x2*x36*Math.pow(special.phi2(x39), 2)/Math.pow(mtbf_s, 2)) + 2*x53*special.joint_gap(x38, -x37*x52 + x40)), 0))/work_s;
},
metric_drop: ({pls, metric_drop_per_pls}) => {
  return metric_drop_per_pls*pls;
},
effective_time_ratio: ({overhead}) => {
  return 1/(overhead + 1);
},
};
const validity = {
young_1974: [{quantity: "C/μ", at_most: 0.08, because: "beyond, Young's interval costs over 1% more overhead than the exact optimum", of: ({save_s, mtbf_s}) => {
  return save_s/mtbf_s;
}}],
full_recovery_overhead: [{quantity: "(τ + C + L + D)/μ", at_most: 0.1, because: "beyond, the first-order overhead can be over 10% too low: use the exact model", of: ({interval_s, save_s, mtbf_s, load_s, reschedule_s}) => {
  return (interval_s + load_s + reschedule_s + save_s)/mtbf_s;
}}],
partial_recovery_overhead: [{quantity: "(wτ + C + longest recovery)/μ", at_most: 0.1, because: "beyond, the first-order overhead can be over 10% too low: use the exact model", of: ({interval_s, save_s, mtbf_s, partial_load_s, partial_reschedule_s, shard_share, trainer_share, whole_job_share, trainer_reschedule_s, load_s, reschedule_s}) => {
  return (interval_s*whole_job_share + save_s + Math.max(Math.max(((shard_share > 0) ? ( partial_load_s + partial_reschedule_s ) : ( 0 )), ((trainer_share > 0) ? ( trainer_reschedule_s ) : ( 0 ))), ((whole_job_share > 0) ? ( load_s + reschedule_s ) : ( 0 ))))/mtbf_s;
}}],
};
const hours_saved_per_month = ({best, today}) => {
  return (-730.485*best + 730.485*today)/(today + 1);
};
